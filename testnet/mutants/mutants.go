package main

// mutant is one planted bug: what it does to a promise of the project, the edits
// that plant it, and the test that must fail.
type mutant struct {
	name   string // for the command line
	breaks string // the promise, and what is planted
	edits  []edit
	caught test
}

// edit replaces a snippet that stands exactly once in a file. Snippets are short,
// so that the code around them may change; when one is gone, the run says so.
type edit struct{ file, old, planted string }

// test is one run of go test. Some bugs are seen by a test that does not end:
// minutes bounds it then, and is 0 otherwise.
type test struct {
	pkg, run string
	minutes  int
}

var (
	powerCut   = test{pkg: "./testnet/sim", run: "^TestAPowerCutAfterTheReceipt$"}
	everyWrite = test{pkg: "./testnet/sim", run: "^TestACrashAtEveryWrite$/^xb$/^commit/^commit_failed"}
	oneLetter  = test{pkg: "./testnet/sim", run: "^TestALetterCrosses$"}
	clocks     = test{pkg: "./testnet/sim", run: "^TestAClock"}
	appends    = test{pkg: "./node/gateway", run: "^(TestBytesRefusedForGood|TestRepeatAndEquivocation)$"}
)

var mutants = []mutant{
	{
		"skip-fsync", "I3: a receipt is given for bytes that were never synced",
		[]edit{{"store/bodies.go", "errors.Join(b.sync(f), f.Close())", "f.Close()"}},
		powerCut,
	},
	{
		"skip-folder-sync", "I3: the name of the sealed bytes is not durable when the receipt is given",
		[]edit{{"store/bodies.go", "err = b.syncShard(shard)", "err = nil"}},
		powerCut,
	},
	{
		"release-before-commit", "I3: the answer leaves although the commit failed",
		[]edit{{"store/session.go", "err := sqlTx.Commit(); err != nil {", "err := sqlTx.Commit(); err != nil && sqlTx == nil {"}},
		everyWrite,
	},
	{
		"accept-replay", "I2: another document under a used identity is taken for a repeat",
		[]edit{{"protocol/exchange/incoming.go", "case known.Envelope == envelope:", "case known.Envelope == envelope || true:"}},
		test{pkg: "./protocol/exchange", run: "^TestOfferIsNewRepeatOrEquivocation$"},
	},
	{
		"forget-a-leaf", "I4: evidence is stored and gets no leaf",
		[]edit{{"store/filing.go", "b.leaves = append(b.leaves, newLeafRow(e.Signed.Ref()))", "_ = newLeafRow(e.Signed.Ref())"}},
		oneLetter,
	},
	{
		"forget-a-foreign-leaf", "R-LOG-6: evidence of others stands in one log only",
		[]edit{
			{"store/filing.go", "flag(own), b.leaf(), proof", "flag(own), map[bool]any{true: b.leaf()}[own], proof"},
			{"store/filing.go", "b.leaves = append(b.leaves, newLeafRow(e.Signed.Ref()))", "if own {\n\t\tb.leaves = append(b.leaves, newLeafRow(e.Signed.Ref()))\n\t}"},
		},
		oneLetter,
	},
	{
		"upgrade-to-another-leaf", "R-PRF-2: a better proof is taken although it is of another leaf of the log",
		[]edit{{"node/gateway/upgrade.go", "first.Salt != proof.Salt) {", "first.Salt != proof.Salt) && false {"}},
		test{pkg: "./node/gateway", run: "^TestProofsOfAnotherLog$"},
	},
	{
		"trust-a-size", "I9: the size of a body is what the peer says it is",
		[]edit{{"node/gateway/append.go", "end > o.env.Sealed.Size || p.last && end != o.env.Sealed.Size", "end < 0"}},
		appends,
	},
	{
		"lose-the-offered-mark", "R-EVID-9: a node forgets that an envelope has left it",
		[]edit{{"node/gateway/deliver.go", "Offered: true,", "Offered: false,"}},
		oneLetter,
	},
	{
		"another-evidence-on-a-repeat", "R-EVID-5: a repeat is answered with evidence signed anew",
		[]edit{{
			"node/gateway/offer.go", "packets = append(packets, ev.Packet)",
			"env, _ := envelope.Parse(row.Envelope.Document); anew, _ := g.issue(env, row.Envelope.Ref(), ev.Event, nil); " +
				"anew.Proof = ev.Proof; packets = append(packets, anew.Packet)",
		}},
		appends,
	},
	{
		"skip-the-digest-check", "I3: bytes are accepted that are not those of the envelope",
		[]edit{
			{"node/gateway/append.go", "spool.Digest() != o.env.Sealed.Digest", "false"},
			{"store/vault.go", "if s.Digest() != d {", "if false {"},
		},
		appends,
	},
	{
		"ignore-the-unknown-outcome", "R-EVID-4: a node goes on signing when nobody knows what it has committed",
		[]edit{{"node/gateway/sequencer.go", "unknown := errors.Is(err, store.ErrUnknownOutcome) && !store.IsFull(err)", "unknown := false"}},
		test{pkg: "./node/gateway", run: "^TestACommitThatStaysUnknownStopsTheNode$", minutes: 1},
	},
	{
		"forget-the-repair", "R-WDR-4: bytes flow on after a withdrawal whose commit looked failed and was written",
		[]edit{{"node/gateway/withdraw.go", "outcomes[0].Repeat && (row.State.Settled() || row.Outgoing().Withdrawn)", "outcomes[0].Repeat"}},
		test{pkg: "./node/gateway", run: "^TestBytesStopAfterACommitOfUnknownOutcome$", minutes: 2},
	},
	{
		"sweep-what-is-needed", "I3: sealed bytes that the recipient's office has not taken yet are deleted",
		[]edit{{"store/gateway.go", "AND inbound.keeps = 1)`", "AND inbound.keeps = 7)`"}},
		test{pkg: "./store", run: "^TestSweep$"},
	},
	{
		"a-wrong-clock-decides", "R-EVID-9: a node whose clock stepped goes on signing and deciding",
		[]edit{{"node/gateway/clock.go", "if step.Abs() > protocol.MaxSkew {", "if step.Abs() < 0 {"}},
		clocks,
	},
	{
		"rest-on-the-future", "R-ENV-9: an envelope rests on a checkpoint that its recipient dated too late",
		[]edit{{"node/gateway/submit.go", "note != nil && bounds(state, note, env)", "note != nil && (true || bounds(state, note, env))"}},
		test{pkg: "./testnet/sim", run: "^TestAPeerStartedWithItsClockAhead$"},
	},
	{
		"submit-before-its-time", "I1: a message dated by a wrong clock goes out and is refused for good",
		[]edit{{"node/office/submit.go", "now.Before(m.Created)", "false"}},
		test{pkg: "./node/office", run: "^TestAMessageDatedTooLateIsSubmittedLater$"},
	},
	{
		"count-a-stolen-witness", "R-BND-11: what marked keys of a witness cosigned bounds a time",
		[]edit{{"protocol/bundle/verdict.go", "t.holds(c.State)) && x.markOf(c) == nil", "t.holds(c.State))"}},
		test{pkg: "./protocol/bundle", run: "^TestAttacksWithStolenKeys$"},
	},
	{
		"trust-a-stolen-log", "R-BND-11: the place in a log with marked keys says when, whoever had seen it",
		[]edit{{"protocol/bundle/report.go", `v.worse(seen.Verdict) || seen.Why == ""`, "v.worse(Invalid)"}},
		test{pkg: "./protocol/bundle", run: "^TestAttacksWithStolenKeys$"},
	},
	{
		"prove-by-a-stolen-witness", "R-WIT-8: a node proves by what marked keys cosigned",
		[]edit{{"store/cosignature.go", "m.start = substr(c.lines, 1, length(m.start))", "m.start = ''"}},
		test{pkg: "./store", run: "^TestProofsUnderCosignedCheckpoints$"},
	},
	{
		"show-a-key-that-nobody-knows", "R-WIRE-14: a new TLS key is shown before peers have heard of it",
		[]edit{{"node/gateway/former.go", "if newest == (l.failures%2 == 0) {", "if newest || true {"}},
		test{pkg: "./testnet/sim", run: "^TestAStolenTLSKeyIsReplaced$"},
	},
	{
		"hand-over-to-anybody", "R-REC-12: a primary key that hands over to one is followed by another",
		[]edit{{"protocol/record/succession.go", "if s.Of != name || s.Successor != next {", "if s.Of != name {"}},
		test{pkg: "./protocol/record", run: "^TestHandOverRefused$"},
	},
	{
		"place-keys-before-the-commit", "files of new keys take their places although the database has no such record",
		[]edit{{"node/operate/waiting.go", "if !committed {", "if !committed && len(records) == 0 {"}},
		test{pkg: "./node/operate", run: "^TestANewEraThatBrokeOff$"},
	},
	{
		"take-a-mark-back", "R-REC-11: a newer record no longer marks keys that were stolen",
		[]edit{{"protocol/record/mark.go", "if !found {", "if !found && n == nil {"}},
		test{pkg: "./protocol/record", run: "^TestMarksStay$"},
	},
	{
		"let-one-authority-fill-the-disk", "an authority takes the part of the disk that is another's on its node",
		[]edit{{"node/gateway/quota.go", "if id != a {", "if id != a && free < 0 {"}},
		test{pkg: "./node/gateway", run: "^TestOneAuthorityCannotFillTheDiskOfTheOthers$"},
	},
	{
		"rest-for-the-whole-peer", "R-XCH-6: what a peer cannot take for one authority keeps parcels to another waiting",
		[]edit{
			{"node/gateway/circuit.go", "one := c.of[pair{k.From, k.To}]", "one := c.of[pair{}]"},
			{"node/gateway/circuit.go", "c.of[pair{k.From, k.To}] = one", "c.of[pair{}] = one"},
		},
		test{pkg: "./node/gateway", run: "^TestOneAuthorityDoesNotOpenTheCircuitOfAnother$"},
	},
	{
		"let-officers-into-every-office", "officers of one authority act for another one of their node",
		[]edit{{"node/control/hosted.go", "return []protocol.AuthorityID{s.party}", "return s.node.Config.Authorities"}},
		test{pkg: "./node/control", run: "^TestOfficersReachTheirOfficeAlone$"},
	},
	{
		"open-paths-for-officers", "the node opens a file for an officer with its own rights",
		[]edit{{"node/control/officers.go", "stream(o.sendHanded)", "stream(o.send)"}},
		test{pkg: "./node/control", run: "^TestOfficersCannotHaveTheNodeReadAFile$"},
	},
}
