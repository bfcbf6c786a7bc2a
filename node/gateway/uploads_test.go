package gateway

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A request that waits for an append to end waits no longer than its peer does.
func TestBeginEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &offer{}
		cuts := 0
		end, err := o.begin(t.Context(), func() { cuts++ })
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := o.begin(ctx, func() {}); !errors.Is(err, context.DeadlineExceeded) || cuts != 1 {
			t.Errorf("beside an append that hangs: %v, which was cut %d times", err, cuts)
		}
		end()
		if end, err = o.begin(t.Context(), func() {}); err != nil {
			t.Errorf("after its end: %v", err)
		}
		end()
	})
}
