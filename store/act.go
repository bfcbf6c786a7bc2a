package store

import (
	"context"
	"time"

	"comity/protocol"
)

// ActKind is what whoever runs a node did to it.
type ActKind string

// The kinds.
const (
	ActStart     ActKind = "start"     // the node began to run
	ActPin       ActKind = "pin"       // a person confirmed a record by its words
	ActProtect   ActKind = "protect"   // key files got a passphrase, or another one
	ActUnprotect ActKind = "unprotect" // key files lost it
	ActDisclose  ActKind = "disclose"  // an auditor was answered about a parcel
	ActNewEra    ActKind = "new-era"   // the next log was begun, after a loss or with new keys; read from its statement
	ActJoin      ActKind = "join"      // the node follows a federation, or other mirrors of it
	ActImport    ActKind = "import"    // authorities that are not on the network were imported
)

// Act is one administrative act. It is a note for the operator and the auditor,
// not evidence: unlike the log and a journal, nothing shows whether somebody with
// the database changed it.
type Act struct {
	At      time.Time // filled when stored
	Kind    ActKind
	Subject string // whom or what it was about; may be empty
	Detail  string
}

// MaxActs is how many acts are kept; the oldest go first, so that a node which is
// restarted for ever fills no disk.
const MaxActs = 100_000

// NoteAct stores an administrative act.
func (g *Gateway) NoteAct(ctx context.Context, a Act) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		var last int64
		if _, err := t.find(ctx, []any{&last}, `SELECT coalesce(max(ordinal), 0) FROM act`); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `INSERT INTO act (ordinal, at_us, kind, subject, detail) VALUES ($1, $2, $3, $4, $5)`,
			last+1, t.now.UnixMicro(), a.Kind, printable(a.Subject), printable(a.Detail)); err != nil {
			return err
		}
		_, err := t.exec(ctx, `DELETE FROM act WHERE ordinal <= $1`, last+1-MaxActs)
		return err
	})
	return wrap("noting the act "+string(a.Kind), err)
}

// Acts returns the administrative acts of a period, the oldest first.
func (g *Gateway) Acts(ctx context.Context, p Period, limit int) (list []Act, more bool, err error) {
	from, until := p.micros()
	return exceptions(ctx, g.v, "reading administrative acts", limit, func(scan func(...any) error) (a Act, err error) {
		var at int64
		err = scan(&at, &a.Kind, &a.Subject, &a.Detail)
		a.At = instant(&at)
		return a, err
	}, `SELECT at_us, kind, subject, detail FROM act WHERE at_us >= $1 AND at_us < $2 ORDER BY at_us, ordinal LIMIT $3`, from, until)
}

// ClockDays is how many days the clocks of peers are kept.
const ClockDays = 400

const day = 24 * time.Hour

// dayOf counts the days since 1970-01-01, UTC.
func dayOf(t time.Time) int64 { return t.Unix() / int64(day/time.Second) }

// PeerClock is how far a peer's clock stood from ours on one day, UTC: its time
// minus ours, the lowest, the highest and the last that was noted.
type PeerClock struct {
	Node              protocol.NodeID
	Day               time.Time // its beginning
	Least, Most, Last time.Duration
	Noted             time.Time // when the last one was
}

// NoteClock adds what was seen of a peer's clock since the last note to the row
// of today, and forgets days that are too old.
func (g *Gateway) NoteClock(ctx context.Context, peer protocol.NodeID, least, most, last time.Duration) error {
	err := g.v.write(ctx, func(ctx context.Context, t *tx) error {
		today := dayOf(t.now)
		if _, err := t.exec(ctx, `INSERT INTO peer_clock (node, day, least_us, most_us, last_us, noted_us) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (node, day) DO UPDATE SET
  least_us = CASE WHEN excluded.least_us < peer_clock.least_us THEN excluded.least_us ELSE peer_clock.least_us END,
  most_us = CASE WHEN excluded.most_us > peer_clock.most_us THEN excluded.most_us ELSE peer_clock.most_us END,
  last_us = excluded.last_us, noted_us = excluded.noted_us`,
			peer, today, least.Microseconds(), most.Microseconds(), last.Microseconds(), t.now.UnixMicro()); err != nil {
			return err
		}
		_, err := t.exec(ctx, `DELETE FROM peer_clock WHERE node = $1 AND day < $2`, peer, today-ClockDays)
		return err
	})
	return wrap("noting the clock of "+string(peer), err)
}

// Clocks returns the days of a period on which a peer's clock was further from
// ours than the tolerance, by day and name. Days count that begin before the
// period's end and end after its beginning.
func (g *Gateway) Clocks(ctx context.Context, p Period, beyond time.Duration, limit int) (list []PeerClock, more bool, err error) {
	return exceptions(ctx, g.v, "reading the clocks of peers", limit, func(scan func(...any) error) (c PeerClock, err error) {
		var days, least, most, last, noted int64
		err = scan(&c.Node, &days, &least, &most, &last, &noted)
		c.Day, c.Noted = time.Unix(0, 0).UTC().Add(time.Duration(days)*day), instant(&noted)
		c.Least, c.Most, c.Last = microseconds(least), microseconds(most), microseconds(last)
		return c, err
	}, `SELECT node, day, least_us, most_us, last_us, noted_us FROM peer_clock
WHERE day >= $1 AND day <= $2 AND (least_us < $3 OR most_us > $4) ORDER BY day, node LIMIT $5`,
		dayOf(p.From), dayOf(p.Until.Add(-time.Microsecond)), -beyond.Microseconds(), beyond.Microseconds())
}

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
