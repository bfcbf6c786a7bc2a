package gateway

import (
	"context"
	"time"

	"comity/protocol"
	"comity/store"
)

const (
	// lookAtWitnesses is how often this node looks whether a witness is late.
	lookAtWitnesses = 10 * time.Minute
	// remindOfWitness is how often its operator is told of the same one.
	remindOfWitness = 24 * time.Hour
)

// watchWitnesses is the loop that tells the operator of witnesses that do not
// cosign. Nothing waits for them.
func (g *Gateway) watchWitnesses(ctx context.Context) {
	told := map[protocol.NodeID]time.Time{} // real time
	for ctx.Err() == nil {
		states, err := g.Store.WitnessStates(ctx)
		if err != nil && ctx.Err() == nil {
			g.Logger.Error("cannot read how far the witnesses are", "error", err)
		}
		for _, w := range states {
			age := g.late(w)
			last, before := told[w.Node]
			switch {
			case age == 0 && before:
				delete(told, w.Node)
				g.Logger.Info("a witness cosigns again", "peer", w.Node, "size", w.Size)
			case age > 0 && (!before || time.Since(last) >= remindOfWitness):
				told[w.Node] = time.Now()
				g.Logger.Warn("a witness is late: what was signed since is not yet witnessed by it",
					"peer", w.Node, "age", age.Round(time.Minute), "cosigned_size", w.Size)
			}
		}
		pause(ctx, lookAtWitnesses)
	}
}

// late is how old the oldest checkpoint is that a witness has not cosigned; 0:
// it is young, or there is none.
func (g *Gateway) late(w store.WitnessState) time.Duration {
	if age := g.Now().Sub(w.Since); !w.Since.IsZero() && age > protocol.MaxUnwitnessed {
		return age
	}
	return 0
}
