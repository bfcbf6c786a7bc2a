package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"comity/protocol"
	"comity/store"
)

// excuse is why a delivery was put off, as the sender's officer reads it. What
// the peer said stands in quotation marks. The log has the error itself.
func (l *link) excuse(row *store.Outbound, err error) string {
	var rest *resting
	var answer *problem
	var name *net.DNSError
	var none *unconnected
	switch p := asksToWait(err); {
	case errors.As(err, &rest):
		return fmt.Sprintf("%s asks to wait: %s", l.peer, rest.why)
	case p != nil:
		return fmt.Sprintf("%s asks to wait: %s", l.peer, p.Detail)
	case Refused(err):
		return l.g.Refusal(l.peer)
	case Unknown(err):
		return sentence(errPin)
	case errors.As(err, &answer):
		return sentence(answer)
	case errors.Is(err, store.ErrUnreachable):
		return "the database of this node does not answer"
	case errors.As(err, &none) && died(err): // silent during the handshake
		return fmt.Sprintf("%s does not answer", l.peer)
	case died(err) || broke(err):
		if row.Sealed.Size > protocol.MaxWhole {
			return fmt.Sprintf("the connection to %s broke; it goes on where it stopped", l.peer)
		}
		return fmt.Sprintf("the connection to %s broke", l.peer)
	case blocked(err), errors.As(err, &name):
		return fmt.Sprintf("%s does not answer", l.peer)
	}
	var call *url.Error
	if errors.As(err, &call) {
		err = call.Err
	}
	return sentence(err)
}

// broke reports whether a connection ended after bytes of a body had left.
func broke(err error) bool {
	var b *brokeOff
	return errors.As(err, &b) && b.sent > 0
}

// plainly is why a peer was not reached, as the operator reads it: a sentence
// where the peer said what is wrong, or else the error itself.
func (l *link) plainly(err error) error {
	if Refused(err) {
		return errors.New(l.g.Refusal(l.peer))
	}
	if words, ok := AsksToWait(err); ok {
		return fmt.Errorf("%s runs, but asks to come back later: %s", l.peer, words)
	}
	if Unknown(err) {
		return errPin
	}
	return err
}

// AsksToWait reports whether err is the answer of a peer that asks to come back
// later, and returns its words, quoted.
func AsksToWait(err error) (words string, ok bool) {
	if p := asksToWait(err); p != nil {
		return p.Detail, true
	}
	return "", false
}

// Refusal is the sentence about a peer that ends every handshake because it does
// not know the key of this node.
func (g *Gateway) Refusal(peer protocol.NodeID) string {
	return fmt.Sprintf("%s refuses this node: it has not pinned the record of %s, or holds another one", peer, g.Own.Record().State)
}

// Refused reports whether err says so. The transport tells it only as text: alert
// 42 (bad_certificate), which QUIC carries as error 0x100 + 42.
func Refused(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	alert := strings.Contains(text, "CRYPTO_ERROR 0x12a") || strings.Contains(text, "bad certificate")
	return alert && !strings.Contains(text, "(local)")
}

// maxSentence is how much of a transport error a list shows.
const maxSentence = 300

// sentence makes a transport error short enough for a list.
func sentence(err error) string {
	if err == nil {
		return ""
	}
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	return strings.ToValidUTF8(text[:min(len(text), maxSentence)], "")
}
