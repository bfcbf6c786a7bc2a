package protocol

import "time"

// Limits on what a peer or a document may ask of us (I9). Each has a name, a
// value and a reason; SPEC.md lists them. A limit that a peer must know stands
// in its record as well.
const (
	// MaxDepth is the deepest nesting of any document: the record needs 6.
	MaxDepth = 12
	// MaxString is the longest single JSON string, in bytes, outside embedded
	// documents: enough for a long title in any script.
	MaxString = 4 << 10
	// MaxAuthorityName keeps authority names usable in file names and paths.
	MaxAuthorityName = 64
	// MaxQuote is how much foreign text an error message shows.
	MaxQuote = 80

	// MaxManifest is the largest manifest: 9,999 files with long names fit.
	MaxManifest = 16 << 20
	// MaxEnvelope is the largest envelope: it carries a checkpoint of the
	// recipient's log, and its own members need less than 3 KiB.
	MaxEnvelope = MaxCheckpoint + 16<<10
	// MaxEvidence is the largest evidence.
	MaxEvidence = 16 << 10
	// MaxApproval is the largest approval; MaxWithdrawal likewise.
	MaxApproval   = 16 << 10
	MaxWithdrawal = 16 << 10
	// MaxSignature is the largest armored signature; ours have 222 bytes.
	MaxSignature = 2 << 10
	// MaxCertificate is the largest OpenPGP certificate in a record.
	MaxCertificate = 16 << 10
	// MaxEra is the largest statement by which a node begins its next log, and
	// MaxShown how many checkpoints of the lost one it names.
	MaxEra   = 2 << 20
	MaxShown = 16
	// MaxAdoption is the largest statement by which a node adopts a version of a
	// federation's directory.
	MaxAdoption = 4 << 10
	// MaxCheckpoint is the largest checkpoint note: the log's two signatures
	// and cosignatures of sixteen witnesses of both kinds.
	MaxCheckpoint = 80 << 10
	// MaxProof is the largest proof: a checkpoint, 63 hashes and 80 bytes.
	MaxProof = MaxCheckpoint + 4<<10
	// MaxSuccession is the largest document by which a primary key hands over, and
	// MaxFormer how many certificates that gave way a record or entry lists.
	MaxSuccession = 2 << 10
	MaxFormer     = 8
	// MaxAuthorityEntry is the largest authority entry of a record.
	MaxAuthorityEntry = 64 << 10
	// MaxRecord is the largest record: 64 authorities of ordinary size.
	MaxRecord = 4 << 20
	// MaxPacket is the largest unsigned carrier of one envelope or evidence:
	// inside it, quotation marks and line ends take two bytes.
	MaxPacket = 2*(MaxEnvelope+MaxSignature+MaxProof) + 4<<10
	// MaxIntroduction is the largest introduction: a record, escaped, and its signature.
	MaxIntroduction = 2*(MaxRecord+MaxSignature) + 1<<10
	// MaxDisclosed is how many pieces of evidence one disclosure has: one for each
	// event. MaxDisclosure is the largest one.
	MaxDisclosed  = 11
	MaxDisclosure = MaxDisclosed*MaxPacket + 4<<10

	// MaxHello is the largest hello: a record, escaped, and a checkpoint.
	MaxHello = MaxIntroduction + 2*MaxCheckpoint

	// MaxBundleMembers is how many members a bundle lists: five for each event, two
	// for each record, and seven more.
	MaxBundleMembers = 256
	// MaxBundleRecords is how many records a bundle holds: all versions of two
	// states over many years, and those of their witnesses.
	MaxBundleRecords = 64
	// MaxBundleIndex is the largest list of a bundle's members.
	MaxBundleIndex = 128 << 10
	// MaxBundleSmall is how many bytes all members of a bundle but the sealed parcel
	// have together: a verifier holds them in memory.
	MaxBundleSmall = 64 << 20
	// MaxCover is the largest cover sheet; ours have about 20 kB.
	MaxCover = 512 << 10
	// MaxFiles is how many files a parcel may hold: "files/0001" has four digits.
	MaxFiles = 9999
	// MaxApprovals is how many further persons may approve one manifest.
	MaxApprovals = 16
	// MaxRecipients is how many authorities one sealed body may go to: each
	// costs 1.6 kB of header and 200 µs.
	MaxRecipients = 64
	// MaxFollows is how many earlier messages one message may name.
	MaxFollows = 64
	// MaxFileName is the longest real file name, in bytes of UTF-8: what
	// ordinary file systems can store.
	MaxFileName = 255
	// MaxFileSize is the largest single file: 1 TiB.
	MaxFileSize = 1 << 40
	// MaxPages is how many pages one file may claim; it is only shown and added up.
	MaxPages = 10_000_000
	// MaxSealed is the largest sealed parcel that the format can name: 2 TiB.
	// A node publishes its own, smaller limit.
	MaxSealed = 2 << 40
	// MaxSealedHeader is the largest age header: MaxRecipients stanzas.
	MaxSealedHeader = 4<<10 + MaxRecipients*1700

	// MaxAuthorities is how many authorities one record may list.
	MaxAuthorities = 64
	// MaxKeys is how many keys one entry may list, past ones included.
	MaxKeys = 64
	// MaxName is the longest name of a state or an authority in one language,
	// in bytes of UTF-8: two lines of print in any script.
	MaxName = 512
	// MaxValidity is the longest span for which a record may call itself, a key
	// or a recipient valid: 50 years, or it is a typing error.
	MaxValidity = 50 * 366 * 24 * time.Hour
	// MaxNames is how many languages a name may be given in.
	MaxNames = 16
	// MaxEndpoints is how many addresses a node may list.
	MaxEndpoints = 8
	// MaxVersions is how many protocol versions a record may list.
	MaxVersions = 8
	// MaxTerm is the longest word of a list that may grow, such as the name of a
	// function or a channel, in bytes.
	MaxTerm = 48
	// MaxLine is the longest line of a postal address, telephone number or mailbox,
	// in bytes, and MaxLines how many of each an authority lists.
	MaxLine  = 256
	MaxLines = 8
	// MaxNote is the longest note of an authority in one language, in bytes: half a
	// page.
	MaxNote = 2 << 10
	// MaxCompetences is how many instruments an authority lists, MaxArticles how many
	// articles of each, and MaxFunctions how many functions under each.
	MaxCompetences = 64
	MaxArticles    = 64
	MaxFunctions   = 32
	// MaxKinds is how many kinds of messages an authority lists: there are fewer.
	MaxKinds = 128
	// MaxLanguages is how many languages an authority takes.
	MaxLanguages = 16
	// MaxWaivers is how many arrangements an authority lists by which originals on
	// paper are not needed: one for each other state.
	MaxWaivers = 256
	// MaxChannels is how many ways to reach it an authority lists.
	MaxChannels = 16
	// MaxOpenings is how many spans of a week an authority is open: four a day.
	MaxOpenings = 28
	// MaxHolidays is how many days on which it is closed an authority lists: some years.
	MaxHolidays = 128
	// MaxUnconfirmed is how long what an authority says of itself is shown as it is;
	// then every reader is told that it is old: twelve months.
	MaxUnconfirmed = 366 * 24 * time.Hour
	// MaxStewards is how many keys may share a role in a federation's root.
	MaxStewards = 32
	// MaxSignatures is how many signatures metadata of a federation may have: a root is
	// signed by the stewards before and by the new ones.
	MaxSignatures = 2 * MaxStewards
	// MaxRoot is the largest root, MaxTimestamp the largest snapshot or timestamp,
	// and MaxEdition the largest edition of a federation: 30,000 records, which is
	// 250 states that publish one a month for ten years.
	MaxRoot      = 64 << 10
	MaxTimestamp = 16 << 10
	MaxEdition   = 4 << 20
	// MaxDirectory is how many bytes all records that one edition names have together.
	MaxDirectory = 8 << 30
	// MaxListings is how many authorities that are not on the network a node keeps:
	// forty in each of 250 states.
	MaxListings = 10_000
	// MaxReasonText is the longest text beside a reason code, in bytes.
	MaxReasonText = 1 << 10

	// MaxSkew is how far two honest clocks may differ. A document dated
	// further in the future is refused.
	MaxSkew = 5 * time.Minute
	// MaxLifetime is the longest time that an envelope may ask for.
	MaxLifetime = 180 * 24 * time.Hour
	// DefaultLifetime is how long a sender keeps trying unless told otherwise.
	DefaultLifetime = 30 * 24 * time.Hour
)

// Limits of the wire.
const (
	// MaxInline is the largest sealed body kept as a column of its row instead
	// of a file: a small parcel is then one commit and no file.
	MaxInline = 64 << 10
	// MaxSmall is the largest sealed body that counts as small: it leaves together
	// with its envelope, so that it costs one round trip, and waits for no large one.
	MaxSmall = 256 << 10
	// MaxFeedPage is how many evidences one answer of the feed carries.
	MaxFeedPage = 64
	// MaxFeedWait is the longest long poll of the evidence feed.
	MaxFeedWait = 50 * time.Second
	// MaxHeaderBytes bounds HTTP request headers.
	MaxHeaderBytes = 16 << 10
	// MaxStreams is how many requests one peer may have open at once.
	MaxStreams = 256
	// MaxOvertake is how long bytes that arrive before their envelope wait for it.
	MaxOvertake = 5 * time.Second
	// MaxIdleBody is the longest pause in a body before the request is cut.
	MaxIdleBody = 60 * time.Second
	// MinTrickle is how many bytes of a body must come in each MaxTrickle for the
	// request not to be cut: 55 a second, which thirty-six bodies over a satellite line of
	// 2 kB/s still reach together. One that sends a byte a minute holds a place for
	// nothing.
	MinTrickle = 32 << 10
	MaxTrickle = 10 * time.Minute
	// MaxWhole is the largest sealed body that comes in one piece: when it breaks
	// off, it is sent again, which costs less than to remember it. Parts of a larger
	// one are kept.
	MaxWhole = 1 << 20
	// MaxUnsettled is how many bytes of a body under way become durable together. A
	// crash of the receiver costs at most twice as many, beside what is on the way.
	MaxUnsettled = 8 << 20
	// MaxStandstill is how long a part of a body is kept to which no byte comes: a
	// week, longer than an outage of a line or a peer. Then the body begins anew.
	MaxStandstill = 7 * 24 * time.Hour
	// CompareWait is how long a node that has just started signs nothing while none of
	// its peers can be asked what it holds of the node's log: long enough for a
	// network to come up, and no more, because nobody outside may stop a node.
	CompareWait = 30 * time.Second
	// MaxLeap is how long after its last signature a node signs again by its own
	// clock alone, without a peer that says what time it is: a clock that is wrong by
	// more must not date anything.
	MaxLeap = 7 * 24 * time.Hour
	// MaxDissent is how long a single peer whose clock disagrees keeps a node that
	// has just started from signing, within MaxLeap of its last signature (R-TIME-1).
	MaxDissent = 10 * time.Minute
	// MaxLoneDissent is how long it does beyond MaxLeap: a day, in which the operator
	// is told, so that one peer can delay a node and not stop it.
	MaxLoneDissent = 24 * time.Hour
	// MaxBatch is how many facts one commit of the sequencer joins.
	MaxBatch = 256

	// MaxSubmission is the largest body of add-checkpoint: a checkpoint and 63 hashes.
	MaxSubmission = MaxCheckpoint + 4<<10
	// MaxSightings is how many states of one log wait to be compared; each takes
	// 3.5 kB. So many wait only where the log's node lets nobody compare them.
	MaxSightings = 4096
	// MaxUnwitnessed is how long a checkpoint may lack a witness's cosignature
	// before the operator hears of it: an alarm, never a stop.
	MaxUnwitnessed = time.Hour
	// MaxUncompared is how long a state of a peer's log may wait to be compared
	// with the others before the operator hears of it: a node that shows its log to
	// nobody could hide a fork.
	MaxUncompared = 24 * time.Hour
)

// Watermarks of a node's disk.
const (
	// LowSpace is what is left of a disk when no new bodies are taken any more: it
	// is for evidence, the log and what was promised. Of a small disk it is a
	// twentieth.
	LowSpace = 1 << 30
	// CriticalSpace is when the operator has to act at once; a quarter of that.
	CriticalSpace = LowSpace / 4
)

// The share of one peer in a node.
const (
	// MaxHeld is how many bytes of calls, uploads and answers of all peers
	// together a node holds in memory at once; less when it has little memory.
	MaxHeld = 64 << 20
	// MaxHeldOfPeer is how many of them are one peer's: the largest hello, with
	// what is decoded from it, fits. It is never more than half of all.
	MaxHeldOfPeer = 32 << 20
	// MaxHeldInBodies is how many of MaxHeld pieces of bodies may take, and
	// likewise of a smaller amount and of one peer's: the rest is for small calls,
	// whatever the bodies do.
	MaxHeldInBodies = 48 << 20
	// MaxFaults is how many requests of a peer may be refused at once, as not
	// authentic or malformed, before it is asked to come back later.
	MaxFaults = 200
	// FaultEvery is how often one more may be refused after that.
	FaultEvery = time.Second
	// FaultSize is how many bytes in the body of a refused request make it count as
	// one more: megabytes of rubbish cost more than a wrong signature.
	FaultSize = 64 << 10
	// MaxRejections is how many parcels of a peer may be refused for good at once:
	// each costs a row and a leaf for ever.
	MaxRejections = 100
	// RejectionEvery is how often one more may be after that.
	RejectionEvery = 5 * time.Second
	// MaxRenewals is how many newer records of a peer may be adopted at once: each is
	// kept with its leaf for ever, and may take megabytes. Years of ordinary changes
	// are fewer.
	MaxRenewals = 20
	// RenewalEvery is how often one more may be after that. The peer hands over its
	// newest at each contact, so that nothing is missed by waiting.
	RenewalEvery = time.Hour
	// MaxWithdrawals is how many parcels of a peer may be taken back at once before
	// their bytes came: each costs what a rejection does, but is nobody's fault.
	MaxWithdrawals = 1000
	// WithdrawalEvery is how often one more may be after that.
	WithdrawalEvery = time.Second
)
