package operate

import (
	"fmt"

	"comity/crypto/pgp"
	"comity/protocol"
)

// Given is a passphrase that somebody gives for one act. The zero value is none.
type Given struct {
	Text string `json:"text,omitempty"`
	// Source is where it came from, as [Passphrases.Text] says it: a file or a terminal.
	Source string `json:"source,omitempty"`
}

// ActKey opens the key with which people act for an authority, for one act: the
// node keeps neither it nor the passphrase. Calls wait for each other, because
// each takes the memory of one opening. A LockedError says that the passphrase
// is wrong.
func (n *Node) ActKey(a protocol.AuthorityID, given Given) (*pgp.Secret, error) {
	n.acting.Lock()
	defer n.acting.Unlock()
	if _, hosted := n.Offices[a]; !hosted {
		return nil, fmt.Errorf("this node does not host %s", a)
	}
	k := &keyring{holder: ActHolder(a), source: given.Source}
	var err error
	if k.pass, err = judge(given.Text, given.Source); err != nil {
		return nil, &LockedError{Holder: k.holder, Wrong: true, Source: given.Source, why: err}
	}
	return n.readAct(a, k)
}
