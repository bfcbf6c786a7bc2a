package federation

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"comity/crypto/pgp"
	"comity/crypto/seal"
	"comity/protocol"
	"comity/protocol/evidence"
	"comity/protocol/record"
	"comity/protocol/statement"
)

// The directory of the benchmarks: more states than there are, with 2,000 authorities.
const (
	benchStates      = 250
	benchAuthorities = 8
)

// host adds an authority to a state's next record, with all that a record says of one.
func (s *state) host(name string) {
	const life = 10 * 365 * day
	valid := protocol.Window{From: protocol.At(start), Until: protocol.At(start.Add(life))}
	certificate := must(pgp.Generate(name, pgp.Ed25519, 2, start, life))
	key := func(role evidence.Role, k *pgp.Secret) record.Key {
		return record.Key{Role: role, Digest: k.Digest(), Valid: valid}
	}
	a := &record.Authority{
		Type: record.AuthorityType2, ID: protocol.AuthorityID(string(s.id) + "/" + name), Sequence: 1, Created: protocol.At(start), Host: protocol.NodeID(s.id),
		Name:        []record.Name{{Language: "en", Text: "Authority " + name + " for cooperation"}, {Language: "fr", Text: "Autorité " + name + " de coopération"}},
		Certificate: certificate.Certificate.Bytes(),
		Keys: []record.Key{
			key(evidence.Primary, certificate.Primary), key(evidence.Act, certificate.Subkeys[0]), key(evidence.Attest, certificate.Subkeys[1]),
		},
		Recipients: []record.Recipient{{Recipient: must(seal.GenerateIdentity()).Recipient().String(), Valid: valid}},
		Confirmed:  protocol.At(start),
		Particulars: &record.Particulars{
			Competences: []record.Competence{{Instrument: "UNTOC", Articles: []string{"16", "18"}, Functions: []record.Term{"extradition", "mutual-legal-assistance"}}},
			Languages:   []record.Language{{Language: "en"}, {Language: "fr", UrgentOnly: true}},
		},
	}
	s.document.Authorities = append(s.document.Authorities, must(record.SignAuthority(a, certificate.Primary, start)))
}

// benchAtlas makes the states once, on all processors: two thousand certificates take
// longer than what is measured.
var benchAtlas = sync.OnceValue(func() []statement.Signed {
	all := make([]statement.Signed, benchStates)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < benchStates; i = next.Add(1) - 1 {
				s := newState(protocol.StateID([]byte{'a' + byte(i/26), 'a' + byte(i%26)}))
				for j := range benchAuthorities {
					s.host(fmt.Sprintf("authority-%d", j))
				}
				all[i] = must(record.SignRecord(&s.document, s.top.Primary, start))
			}
		})
	}
	wg.Wait()
	return all
})

// benchRepository publishes records as stewards would.
func benchRepository(b *testing.B, records []statement.Signed) (dir string) {
	b.Helper()
	dir = filepath.Join(b.TempDir(), "directory")
	r := must(NewRepository(dir))
	root, edition := []*Key{must(GenerateKey()), must(GenerateKey())}, []*Key{must(GenerateKey()), must(GenerateKey())}
	online, now := must(GenerateKey()), start.Add(day)
	charter := Charter{Root: Stewards{public(root), 2}, Edition: Stewards{public(edition), 2}, Online: online.Public()}
	for _, err := range []error{
		r.PublishRoot(signedBy(must(r.DraftRoot(charter, now)), root...), now),
		r.PublishEdition(signedBy(must(r.DraftEdition(records, now)), edition...), now),
		r.Stamp(online, now),
	} {
		if err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// A node that has joined takes the first version of the directory of 250 states with
// 2,000 authorities: fetches every record from a mirror on the loopback, keeps it
// durably, and verifies the signatures of states and authorities. What is told beside
// the time is the heap at its largest, and what the records have together.
func BenchmarkAdopt(b *testing.B) {
	records := benchAtlas()
	size := 0
	for _, r := range records {
		size += len(r.Document) + len(r.Signature)
	}
	dir := benchRepository(b, records)
	mirror := httptest.NewServer(Mirror(dir))
	defer mirror.Close()
	first := must(os.ReadFile(filepath.Join(dir, "1.root.json")))
	peak := heapPeak(b)
	b.ResetTimer()
	for i := range b.N {
		c, err := Open(Config{
			Dir: filepath.Join(b.TempDir(), fmt.Sprint(i)), Root: first, Mirrors: []string{mirror.URL}, Now: func() time.Time { return start.Add(day) },
		})
		if err != nil {
			b.Fatal(err)
		}
		states, authorities := 0, 0
		report, err := c.Refresh(b.Context(), &record.History{}, func(a Adoption) error {
			states++
			authorities += len(a.Chain[len(a.Chain)-1].Members())
			return nil
		})
		if err != nil || len(report.Trouble)+len(report.Refusals) > 0 || states != benchStates || authorities != benchStates*benchAuthorities {
			b.Fatalf("%d states with %d authorities; %+v, %v", states, authorities, report, err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N*benchStates)/b.Elapsed().Seconds(), "states/s")
	b.ReportMetric(float64(peak())/(1<<20), "MiB-heap-peak")
	b.ReportMetric(float64(size)/(1<<20), "MiB-records")
}

// A node that is up to date asks again: what it does every day, in 250 states of
// which none has changed.
func BenchmarkRefreshUnchanged(b *testing.B) {
	records := benchAtlas()
	dir := benchRepository(b, records)
	mirror := httptest.NewServer(Mirror(dir))
	defer mirror.Close()
	var held record.History
	c, err := Open(Config{
		Dir: filepath.Join(b.TempDir(), "client"), Root: must(os.ReadFile(filepath.Join(dir, "1.root.json"))), Mirrors: []string{mirror.URL},
		Now: func() time.Time { return start.Add(day) },
	})
	if err != nil {
		b.Fatal(err)
	}
	adopt := func(a Adoption) error {
		for _, s := range a.Chain {
			held.Add(s)
		}
		return nil
	}
	if _, err := c.Refresh(b.Context(), &held, adopt); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if report, err := c.Refresh(b.Context(), &held, adopt); err != nil || len(report.Trouble)+len(report.Refusals) > 0 {
			b.Fatalf("%+v, %v", report, err)
		}
	}
}

// heapPeak watches how large the live heap and its garbage become, over what is there
// already.
func heapPeak(b *testing.B) func() uint64 {
	b.Helper()
	runtime.GC()
	heap := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	base := heap()
	var peak atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if now := heap(); now > base {
					peak.Store(max(peak.Load(), now-base))
				}
			case <-stop:
				return
			}
		}
	}()
	return func() uint64 { close(stop); <-done; return peak.Load() }
}
