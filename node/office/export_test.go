package office

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/envelope"
	"comity/protocol/parcel"
	"comity/protocol/record"
	"comity/protocol/statement"

	"github.com/google/go-cmp/cmp"
)

// tree lists the files under a folder and checks that nobody else may read them.
func tree(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %s", path, info.Mode())
		}
		if !d.IsDir() {
			rel, err := filepath.Rel(dir, path)
			files = append(files, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestExport(t *testing.T) {
	w, sent := exchanged(t, request(t))
	if _, err := w.office(prosecution).Acknowledge(t.Context(), sent.Name); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"envelope.json", "envelope.json.asc",
		"evidence-ConsignmentAcceptance.json", "evidence-ConsignmentAcceptance.json.asc", "evidence-ConsignmentAcceptance.tlog-proof",
		"evidence-ContentConsignment.json", "evidence-ContentConsignment.json.asc", "evidence-ContentConsignment.tlog-proof",
		"evidence-ContentHandover.json", "evidence-ContentHandover.json.asc", "evidence-ContentHandover.tlog-proof",
		"evidence-RelayAcceptance.json", "evidence-RelayAcceptance.json.asc", "evidence-RelayAcceptance.tlog-proof",
		"evidence-SubmissionAcceptance.json", "evidence-SubmissionAcceptance.json.asc", "evidence-SubmissionAcceptance.tlog-proof",
		"parcel.age",
		"trust/xa-central-authority.gpg", "trust/xa-log.vkey", "trust/xa-node.gpg", "trust/xa-record.json", "trust/xa-record.json.asc", "trust/xa-state.gpg",
		"trust/xb-log.vkey", "trust/xb-node.gpg", "trust/xb-prosecution-service.gpg", "trust/xb-record.json", "trust/xb-record.json.asc", "trust/xb-state.gpg",
	}
	for _, a := range []protocol.AuthorityID{central, prosecution} {
		dir := filepath.Join(t.TempDir(), "export")
		if err := w.office(a).Export(t.Context(), sent.Name, dir); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
			t.Errorf("%s exports other files (-want +got):\n%s", a, diff)
		}
		checkExport(t, dir)
		if acts := w.acts(a); acts[len(acts)-1] != ActExport {
			t.Errorf("journal of %s says %v", a, acts)
		}
	}
}

// checkExport checks an export with what is in it, as another program would.
func checkExport(t *testing.T, dir string) {
	t.Helper()
	records := map[string]*record.State{}
	for _, id := range []string{"xa", "xb"} {
		s, err := record.Verify(statement.Signed{
			Document: read(t, dir, "trust/"+id+"-record.json"), Signature: read(t, dir, "trust/"+id+"-record.json.asc"),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		records[id] = s
		if keys := string(read(t, dir, "trust/"+id+"-log.vkey")); strings.Count(keys, "\n") != 2 || !strings.Contains(keys, s.Record().Node.Log.Keys.MLDSA44) {
			t.Errorf("log keys of %s: %q", id, keys)
		}
	}
	env, err := records["xa"].VerifyEnvelope(statement.Signed{Document: read(t, dir, "envelope.json"), Signature: read(t, dir, "envelope.json.asc")}, today)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := records["xb"].VerifyEvidence(statement.Signed{
		Document: read(t, dir, "evidence-ConsignmentAcceptance.json"), Signature: read(t, dir, "evidence-ConsignmentAcceptance.json.asc"),
	}, today); err != nil {
		t.Error(err)
	}
	sealed := read(t, dir, "parcel.age")
	if protocol.Sum(sealed) != env.Sealed.Digest {
		t.Error("parcel.age is not what the envelope says")
	}
	plain, size, err := seal.Open(bytes.NewReader(sealed), int64(len(sealed)), stateOf(prosecution).identities)
	if err != nil {
		t.Fatal(err)
	}
	contents, err := parcel.Read(plain, size)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pgp.ParseCertificate(read(t, dir, "trust/xa-central-authority.gpg"), protocol.MaxCertificate)
	if err != nil {
		t.Fatal(err)
	}
	act := stateOf(central).holder.Subkeys[actKey].Digest()
	if _, err := cert.Verify(contents.Signed.Document, contents.Signed.Signature, act, today); err != nil {
		t.Error(err)
	}
}

func TestExportToSeveral(t *testing.T) {
	w := newWorld(t)
	d := request(t)
	d.To = append(d.To, ministry)
	sent := w.send(d)
	dir := t.TempDir() // exists and is empty
	if err := w.office(central).Export(t.Context(), sent.Name, dir); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"xb-prosecution-service", "xc-ministry-of-justice"} {
		if got := protocol.Sum(read(t, dir, folder+"/parcel.age")); got != must(envelope.Parse(sent.Receipts[0].Envelope.Document)).Sealed.Digest {
			t.Errorf("%s holds other sealed bytes", folder)
		}
		read(t, dir, folder+"/evidence-RelayAcceptance.json")
		read(t, dir, folder+"/trust/"+folder+".gpg")
	}
	tree(t, dir)
}

func TestExportRefuses(t *testing.T) {
	w, sent := exchanged(t, request(t))
	full := t.TempDir()
	file := filepath.Join(full, "a file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	o := w.office(prosecution)
	for _, place := range []string{full, file, link, filepath.Join(full, "no", "such", "place")} {
		if err := o.Export(t.Context(), sent.Name, place); err == nil {
			t.Errorf("exported to %s", place)
		}
	}
	// Nothing is left of an export that fails on the way.
	parent := t.TempDir()
	w.nodes["xb"].rows = nil
	if err := o.Export(t.Context(), sent.Name, filepath.Join(parent, "export")); err == nil {
		t.Error("exported without an envelope")
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if acts := w.acts(prosecution); len(acts) != 1 {
		t.Errorf("journal says %v of exports that failed", acts)
	}
}
