package bundle

import (
	"comity/protocol"
	"comity/protocol/evidence"
)

// texts are the sentences of a cover sheet in one language. They belong to the
// format: see cover.go.
type texts struct {
	direction                                          string // of writing
	title, test, aid, notQualified                     string
	whatWasSent, parcel, from, to, created, expires    string
	size, sealedDigest, envelopeDigest, manifestDigest string
	notBefore, notBeforeBy                             string
	whatHappened, reason, doesNotSay, signedBy, key    string
	log, entry, cosigned, cosignedByParty              string
	notWitnessed, withdrawal                           string
	brokenWitness, keyMarked, logMarked                string // a mark: "… since"
	witnessMarked, markAnnounced                       string
	whatIsNotProven, missing, stillSealed              string
	never                                              []string
	whoseKeys, compare, record                         string
	roles                                              map[evidence.Role]string
	events                                             map[evidence.Event]sentence
	rejectionOfWithdrawn, failureOfWithdrawn           sentence
}

// sentence is what an event says to people, and what it leaves open.
type sentence struct{ says, leavesOpen string }

// words are those of an event, and of its reason where that changes them.
func (t *texts) words(e *evidence.Evidence) sentence {
	if e.Reason != nil && e.Reason.Code == protocol.Withdrawn {
		switch e.Event {
		case evidence.RelayRejection:
			return t.rejectionOfWithdrawn
		case evidence.RelayFailure:
			return t.failureOfWithdrawn
		default: // the sentence of the event
		}
	}
	return t.events[e.Event]
}

// sheets are the texts of all languages.
var sheets = map[Language]*texts{English: &english, French: &french, Spanish: &spanish, Arabic: &arabic}
