package sim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"comity/node/federation"
	"comity/node/operate"
	"comity/protocol"
	"comity/protocol/envelope"
)

// alarms are the kinds of what the host's operator is told of the directory.
func (h *Host) alarms() (all []federation.AlarmKind, stale time.Duration) {
	h.world.T.Helper()
	for _, a := range h.running.Federation.Standing().Alarms {
		all = append(all, a.Kind)
		if a.Kind == federation.Staleness && !a.Since.IsZero() {
			stale = time.Since(a.Since)
		}
	}
	return all, stale
}

// named is what the envelope of a letter names as the directory.
func (w *World) named(p Promise) *envelope.Directory {
	w.T.Helper()
	signed, err := w.officeHost(p.Key.From).running.Gateway.Envelope(w.T.Context(), p.Key)
	w.must(err, "envelope of %s", p.Key)
	e, err := envelope.Parse(signed.Document)
	w.must(err, "envelope of %s", p.Key)
	return e.Directory
}

// I8, R-FED-8: two states that met by themselves join a federation, and lose nothing of what was between them. Then all its
// mirrors are dead for 60 days: letters arrive, each within the time of any other, the operator is told, with the age, and when
// a mirror is back the alarm ends by itself.
func TestDirectoryServersDeadFor60Days(t *testing.T) {
	Run(t, 500, []protocol.NodeID{"xa", "xb"}, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		a.Send(Letter{To: []*Host{b}, Size: 1000})
		w.Await(time.Minute, Delivered)
		before := a.peerOf(b)

		f := w.Found(a, b)
		a.Join(f)
		b.Join(f)
		if p := a.peerOf(b); p.Listed || !p.Pinned || p.LogSize < before.LogSize || len(a.records(b)) != 1 {
			w.T.Errorf("after it joined, xa sees xb as %+v, and has %d records of it", p, len(a.records(b)))
		}
		if alarms, _ := a.alarms(); len(alarms) > 0 {
			w.T.Errorf("alarms %v, want none", alarms)
		}

		a.mirrors.Show(nil)
		b.mirrors.Show(nil)
		const days = 60
		for range days / 5 { // the nodes run for an hour of every five days, and so are a story of seconds
			a.Stop()
			b.Stop()
			w.Pass(5*24*time.Hour - time.Hour)
			a.Start()
			b.Start()
			w.Pass(time.Minute)
			a.Send(Letter{To: []*Host{b}, Size: 1000})
			b.Send(Letter{To: []*Host{a}, Size: 1000})
			w.Await(time.Minute, Delivered)
			w.Pass(time.Hour)
		}
		if asked := a.mirrors.Asked.Load(); asked < days/5 {
			w.T.Errorf("in %d days the mirrors were asked %d times", days, asked)
		}
		for _, h := range w.Hosts {
			alarms, stale := h.alarms()
			if len(alarms) != 2 || alarms[0] != federation.Staleness || alarms[1] != federation.Unreached || stale < (days-8)*24*time.Hour {
				w.T.Errorf("%s: alarms %v, stale for %s; want both, and 53 days", h.Node, alarms, stale)
			}
			if ref := w.named(w.sent[len(w.sent)-1]); ref == nil || ref.Version != 1 {
				w.T.Errorf("the last envelope names %+v, want version 1", ref)
			}
		}
		f.Stamp()
		a.mirrors.Show(f)
		w.Pass(20 * time.Minute)
		if alarms, _ := a.alarms(); len(alarms) > 0 {
			w.T.Errorf("alarms %v with a mirror that is back", alarms)
		}
	})
}

// R-FED-7, R-FED-9. Split view between two peers: stewards sign two editions of one version, and show one to xa and the
// other to xb; each is in order by itself.
// Caught at the first letter, by the directory that its envelope names: it arrives, and the recipient's operator is told.
func TestStewardsShowTwoDirectories(t *testing.T) {
	Run(t, 501, three, func(w *World) {
		a, b, c := w.Host("xa"), w.Host("xb"), w.Host("xc")
		f := w.Found(a, b)
		a.Join(f)
		b.Join(f)
		twin := f.Twin()
		f.Publish()
		twin.Publish(c)
		b.mirrors.Show(twin)
		a.Refresh()
		b.Refresh()
		for _, h := range []*Host{a, b} {
			if alarms, _ := h.alarms(); len(alarms) > 0 {
				w.T.Errorf("%s: alarms %v; what it was shown is in order by itself", h.Node, alarms)
			}
		}
		a.Send(Letter{To: []*Host{b}, Size: 1000})
		w.Await(time.Minute, Delivered)
		if fault := b.peerOf(a).DirectoryFault; !strings.Contains(fault, "version 2") || !strings.Contains(fault, "stewards have signed two") {
			w.T.Errorf("xb's operator reads %q of xa", fault)
		}
		b.Restart()
		b.Send(Letter{To: []*Host{a}, Size: 1000})
		w.Await(time.Minute, Delivered)
		if fault := a.peerOf(b).DirectoryFault; !strings.Contains(fault, "version 2") {
			w.T.Errorf("xa's operator reads %q of xb", fault)
		}
	})
}

// R-FED-8: xb has another TLS key, and lost the one before, so xa knows none that it shows and lets none of its calls in. The
// directory lists xb's newest record: xa looks there as soon as it sees the strange key, and its letter arrives long before
// the hour in which it would have looked anyway.
func TestKeysThatChangedAreLookedForInTheDirectory(t *testing.T) {
	Run(t, 502, []protocol.NodeID{"xa", "xb"}, func(w *World) {
		a, b := w.Host("xa"), w.Host("xb")
		f := w.Found(a, b)
		a.Join(f)
		w.Pass(11 * time.Minute) // by itself it asks now, or ten minutes after it joined, and next after half an hour at least
		w.Net.Part(a, b)
		b.Rotate(nil, operate.TLSKind)
		b.Stop()
		w.must(os.Remove(filepath.Join(b.dir, "node", "tls-former.pem")), "lose the key before")
		b.Start()
		f.Publish(b)
		w.Pass(11 * time.Minute)
		if n := len(a.records(b)); n != 1 {
			w.T.Fatalf("xa has %d records of xb already, so this story shows nothing", n)
		}
		w.Net.Heal()
		a.Send(Letter{To: []*Host{b}, Size: 1000})
		w.Await(7*time.Minute, Delivered)
	})
}
