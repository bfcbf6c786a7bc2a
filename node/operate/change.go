package operate

import (
	"context"
	"errors"
	"slices"

	"comity/protocol/record"
)

// ChangePlan says what the next record tells of the node beside its keys. What is
// zero stays as it is.
type ChangePlan struct {
	Amendment
	Endpoints []string      // all of them: where peers call
	Name      []record.Name // of the state; one in a language that it has takes the place of that
	Sealed    int64         // the largest sealed parcel that the node takes, in bytes
}

// ErrNoChange says that a record would say nothing new.
var ErrNoChange = errors.New("the record says so already")

// ChangeNode publishes a record with other addresses, names or limits. Keys and terms
// stay. Peers that cannot reach the old address have it when this node calls them,
// which it does when it starts. The node must not run.
func ChangeNode(ctx context.Context, p ChangePlan) (_ *record.State, err error) {
	c, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	was := c.Gateway.Own.Record()
	signed, state, err := c.next(c.Gateway.Own, p.apply)
	if err != nil {
		return nil, err
	}
	if is := state.Record(); slices.Equal(is.Node.Endpoints, was.Node.Endpoints) && slices.Equal(is.Name, was.Name) && is.Node.Limits == was.Node.Limits {
		return nil, ErrNoChange
	}
	return state, c.publish(ctx, signed, state, nil)
}

func (p ChangePlan) apply(r *record.Record) {
	if len(p.Endpoints) > 0 {
		r.Node.Endpoints = p.Endpoints
	}
	if p.Sealed != 0 {
		r.Node.Limits.Sealed = p.Sealed
	}
	r.Name = slices.Clone(r.Name)
	for _, n := range p.Name {
		if i := slices.IndexFunc(r.Name, func(had record.Name) bool { return had.Language == n.Language }); i >= 0 {
			r.Name[i] = n
		} else {
			r.Name = append(r.Name, n)
		}
	}
}
