package bundle_test

import (
	"testing"

	"comity/protocol/bundle"
)

// R-BND-1 to R-BND-5: a whole transmission, witnessed by a third state.
func TestBundleVerifies(t *testing.T) {
	w := newWorld()
	c := w.contents()
	file := written(t, c)
	r, err := verify(file, trust(t, w.xa, w.xb, w.xc))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes\n%s", len(file), r.Text())
	if r.ExitCode() != 0 || !r.Trusted || r.Verdict != bundle.Valid || len(r.Evidence) != len(positive) {
		t.Errorf("got %+v", r)
	}
	for _, e := range r.Evidence {
		if e.Earliest == nil || e.Latest == nil || e.Latest.By != "witness xc" || e.RestsOn != "" || e.Latest.Time.Before(e.Claimed.Time) {
			t.Errorf("%s: earliest %v, latest %v, rests on %q", e.Event, e.Earliest, e.Latest, e.RestsOn)
		}
	}
}

// BenchmarkVerify checks a whole transmission with its cosigned proofs; what it
// costs per parcel at rest is reported beside it.
func BenchmarkVerify(b *testing.B) {
	w := newWorld()
	file, tr := written(b, w.contents()), trust(b, w.xa, w.xb, w.xc)
	for b.Loop() {
		if _, err := verify(file, tr); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(file)), "bytes/bundle")
}
