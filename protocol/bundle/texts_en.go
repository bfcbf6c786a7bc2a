package bundle

import "comity/protocol/evidence"

var english = texts{
	direction:       "ltr",
	title:           "Evidence of a transmission between authorities",
	test:            "This was a test. It has no effect.",
	aid:             "This sheet is a reading aid. It proves nothing by itself; the signed files beside it in the bundle do. To check all of them, and this sheet against them:",
	notQualified:    "Comity is not a qualified trust service, and this is not evidence of a qualified electronic registered delivery service.",
	whatWasSent:     "What was sent",
	parcel:          "Parcel",
	from:            "From",
	to:              "To",
	created:         "Envelope made, as the sending node says",
	expires:         "To be delivered by",
	size:            "Sealed bytes",
	sealedDigest:    "SHA-256 of the sealed bytes",
	envelopeDigest:  "SHA-256 of the envelope",
	manifestDigest:  "SHA-256 of the signed list of contents",
	notBefore:       "Not made before",
	notBeforeBy:     "the envelope holds a state of this log from that moment:",
	whatHappened:    "What happened, in the order of the stated times",
	reason:          "Reason:",
	doesNotSay:      "It does not say",
	signedBy:        "Signed by",
	key:             "key",
	log:             "In the log",
	entry:           "entry",
	cosigned:        "This state of the log was also signed by the witness",
	cosignedByParty: "This state of the log was also signed by a party to the transmission, whose word counts for nobody but itself,",
	notWitnessed:    "No third party has witnessed this entry yet: its time and its place rest on the parties' own word.",
	withdrawal:      "The sending authority signed that it takes the parcel back. Whether that came in time, the evidence tells.",
	brokenWitness:   "A signature here in the name of this witness is wrong or lacks its other half, and counts for nothing:",
	keyMarked:       "The record marks this key as compromised. What that does to this evidence, the check tells. Compromised since",
	logMarked:       "The record marks the keys of this log as compromised. What that does to this evidence, the check tells. Compromised since",
	witnessMarked:   "The record marks the keys of this witness as compromised, so its signature counts for nothing. Compromised since",
	markAnnounced:   "announced on",
	whatIsNotProven: "What this does not prove",
	missing:         "There is no evidence here of:",
	stillSealed:     "What the parcel holds. It stays sealed; the bundle speaks of its digest only.",
	never: []string{
		"Who the two states are. That rests on the records that you hold yourself; compare them with those below.",
		"The exact times. Each is the word of whoever signed it; only a witness's signature shows that something existed by its time.",
		"That anyone agrees with what the parcel asks, or has acted on it.",
	},
	whoseKeys: "Whose keys",
	compare:   "These records say which keys belong to whom. Compare their digests or their twelve words with what each state tells you over another channel.",
	record:    "record",
	roles: map[evidence.Role]string{
		evidence.Node: "as a node", evidence.Act: "by a person", evidence.Attest: "unattended", evidence.Primary: "offline key",
	},
	events: map[evidence.Event]sentence{
		evidence.SubmissionAcceptance: {
			"The sending node took the sealed parcel, stored it safely and queued it for delivery.",
			"that it has left, or that anyone received it.",
		},
		evidence.SubmissionRejection: {
			"The sending node refused to take the parcel; it was not sent.",
			"anything about the recipient, who was not asked.",
		},
		evidence.RelayAcceptance: {
			"The receiving node has all sealed bytes, with the stated digest, and stored them safely.",
			"that anyone could open them, or has seen them.",
		},
		evidence.RelayRejection: {
			"The receiving node refused the parcel for good.",
			"anything about what the parcel holds, which no node can read.",
		},
		evidence.RelayFailure: {
			"The sending node held no acceptance by the receiving node when it wrote this.",
			"that the receiving side does not have the parcel: an acceptance from before the end may still surface, and then prevails.",
		},
		evidence.ContentConsignment: {
			"The receiving node handed the sealed bytes to the recipient's office.",
			"that the office opened them.",
		},
		evidence.ContentHandover: {
			"The recipient's office opened the parcel and found every signature and every byte in order.",
			"that a person has looked at it.",
		},
		evidence.ContentHandoverFailure: {
			"The recipient's office could not open the parcel, or found that its inside does not agree with its signatures.",
			"who is at fault.",
		},
		evidence.ContentAccessTracking: {
			"Someone in an authorised role at the recipient's office opened a document of the parcel for the first time.",
			"who it was, or what they made of it.",
		},
		evidence.ConsignmentAcceptance: {
			"An officer of the recipient formally acknowledged receipt.",
			"that the recipient agrees with what the parcel asks, or will do it.",
		},
		evidence.ConsignmentRejection: {
			"An officer of the recipient formally rejected the parcel.",
			"anything about a new parcel with the same matter.",
		},
	},
	rejectionOfWithdrawn: sentence{
		"The receiving node took the withdrawal; it does not have the parcel.",
		"anything about what the parcel holds, which no node can read.",
	},
	failureOfWithdrawn: sentence{
		"The parcel was withdrawn before it left the sending node.",
		"anything about the recipient, who was not asked.",
	},
}
