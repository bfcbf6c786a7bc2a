package control

import (
	"context"

	"comity/node/operate"
	"comity/store"
)

// actRequest is an administrative act that a command did beside the node.
type actRequest struct {
	Kind    store.ActKind `json:"act"`
	Subject string        `json:"subject"`
	Detail  string        `json:"detail"`
}

func (s *Service) note(ctx context.Context, in actRequest) (nothing, error) {
	return nothing{}, s.node.Gateway.Store.NoteAct(ctx, store.Act{Kind: in.Kind, Subject: in.Subject, Detail: in.Detail})
}

// NoteStart notes that a node begins to run, for the report of exceptions.
func NoteStart(ctx context.Context, node *operate.Node, version string) error {
	return node.Gateway.Store.NoteAct(ctx, store.Act{Kind: store.ActStart, Subject: "node " + string(node.Config.Node), Detail: "comity " + version})
}
