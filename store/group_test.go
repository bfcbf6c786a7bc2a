package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"comity/protocol"
)

// Writes that wait for one another share a transaction, and a bad one fails
// alone; what each is answered is what is stored.
func TestGroupedWritesFailAlone(t *testing.T) {
	o := newDesk(t)
	before, err := o.Journal(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	// Whoever comes while the lock is held waits for the same next turn.
	o.v.mu.Lock()
	const writes = 3 * maxGroup
	outcomes := make([]error, writes)
	entries := make([]JournalEntry, writes)
	var wg sync.WaitGroup
	for i := range writes {
		wg.Go(func() {
			switch i % 3 {
			case 0:
				entries[i], outcomes[i] = o.Append(t.Context(), fmt.Appendf(nil, "entry %d\n", i))
			case 1:
				outcomes[i] = o.writes.write(t.Context(), func(ctx context.Context, tx *tx) error {
					if _, err := o.journal(ctx, tx, []byte("to be undone\n")); err != nil {
						return err
					}
					return protocol.Refuse(protocol.Equivocation, "not this one")
				})
			case 2:
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_, outcomes[i] = o.Append(ctx, []byte("given up\n"))
			}
		})
	}
	o.v.mu.Unlock()
	wg.Wait()
	for i, err := range outcomes {
		switch i % 3 {
		case 0:
			if err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		case 1:
			if protocol.CodeOf(err) != protocol.Equivocation {
				t.Errorf("write %d: got %v, want %s", i, err, protocol.Equivocation)
			}
		case 2:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("write %d: got %v, want %v", i, err, context.Canceled)
			}
		}
	}
	after, err := o.Journal(t.Context(), 0, 0)
	if err != nil || len(after) != len(before)+writes/3 {
		t.Errorf("the journal has %d entries and had %d, want %d more: %v", len(after), len(before), writes/3, err)
	}
	stored := map[int64]string{}
	for _, e := range after {
		stored[e.Sequence] = string(e.Entry)
	}
	for i := 0; i < writes; i += 3 {
		if got, want := stored[entries[i].Sequence], fmt.Sprintf("entry %d\n", i); got != want {
			t.Errorf("entry %d of the journal is %q, was answered as %q", entries[i].Sequence, got, want)
		}
	}
	if _, err := o.CheckJournal(t.Context()); err != nil {
		t.Error(err)
	}
}
