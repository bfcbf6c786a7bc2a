package office

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"comity/crypto/merkle"
	"comity/protocol"
	"comity/protocol/exchange"
	"comity/protocol/record"
)

// exportRecords writes under trust/ what the documents in an export are checked
// against.
func (o *Office) exportRecords(ctx context.Context, folder string, k protocol.Key, all []exchange.Attested) error {
	trust := filepath.Join(folder, exportTrust)
	if err := os.Mkdir(trust, 0o700); err != nil {
		return err
	}
	for _, id := range []protocol.AuthorityID{k.From, k.To} {
		if err := o.exportAnchors(trust, id); err != nil {
			return err
		}
	}
	histories, err := o.gateway.Histories(ctx)
	if err != nil {
		return err
	}
	for _, h := range histories {
		if h.State == k.From.State() || h.State == k.To.State() {
			err = exportEarlier(trust, h, all)
		} else {
			err = o.exportWitness(trust, h, all)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// exportEarlier writes, of a party whose node has lost a log since, the earlier
// records by which that time is judged: those that evidence names, and the last one
// of each log in which a proof ends (R-OLD-5).
func exportEarlier(trust string, h exchange.History, all []exchange.Attested) error {
	wanted := map[string]bool{} // digests of records, and origins of logs
	for _, a := range all {
		wanted[a.Parsed.Record.Digest.String()] = true
		if p, err := merkle.ParseProof(a.Proof, protocol.MaxProof); err == nil {
			origin, _, _ := bytes.Cut(p.Checkpoint, []byte("\n"))
			wanted[string(origin)] = true
		}
	}
	newest := ""
	for i, v := range slices.Backward(h.Versions) {
		r, err := record.Parse(v.Signed.Document)
		if err != nil {
			return fmt.Errorf("read record %d of %s: %w", v.Sequence, h.State, err)
		}
		log := r.Node.Log.Origin
		if i == len(h.Versions)-1 {
			newest = log
		}
		if log != newest && (wanted[log] || wanted[v.Signed.Digest().String()]) {
			if err := writeSigned(trust, fmt.Sprintf("%s-record-%d.json", h.State, v.Sequence), v.Signed); err != nil {
				return err
			}
		}
		wanted[log] = false // the last one that names it is enough
	}
	return nil
}

// exportWitness writes the newest record of a further state whose node cosigned
// what the evidence rests on.
func (o *Office) exportWitness(trust string, h exchange.History, all []exchange.Attested) error {
	line := []byte("\n— comity/witness/" + string(h.Node) + " ")
	if !slices.ContainsFunc(all, func(a exchange.Attested) bool { return bytes.Contains(a.Proof, line) }) {
		return nil
	}
	state, ok := o.gateway.State(h.State)
	if !ok {
		return nil
	}
	return exportState(trust, state)
}

// exportAnchors writes what signatures on one side are checked against.
func (o *Office) exportAnchors(trust string, id protocol.AuthorityID) error {
	state, ok := o.gateway.State(id.State())
	if !ok {
		return fmt.Errorf("no record of state %s is adopted: pin it again", id.State())
	}
	member, ok := state.Authority(id)
	if !ok {
		return fmt.Errorf("the newest record of state %s does not list %s", id.State(), id)
	}
	if err := writeNew(filepath.Join(trust, flat(id)+".gpg"), certificates(member)); err != nil {
		return err
	}
	return exportState(trust, state)
}

// exportState writes the newest record of a state, its certificates as stock tools
// read them, and the keys of its log.
func exportState(trust string, state *record.State) error {
	r := state.Record()
	base := filepath.Join(trust, string(r.State))
	for path, content := range map[string][]byte{
		base + "-state.gpg": r.Certificate,
		base + "-node.gpg":  r.Node.Certificate,
		base + "-log.vkey":  []byte(r.Node.Log.Keys.Ed25519 + "\n" + r.Node.Log.Keys.MLDSA44 + "\n"),
	} {
		if err := writeNew(path, content); err != nil {
			return err
		}
	}
	return writeSigned(trust, string(r.State)+"-record.json", state.Signed())
}

// certificates are those of an authority in one file, the present one first, as stock
// tools read it.
func certificates(m *record.Member) (all []byte) {
	for _, c := range m.Certificates() {
		all = append(all, c.Bytes()...)
	}
	return all
}
