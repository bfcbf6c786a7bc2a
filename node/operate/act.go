package operate

import (
	"fmt"

	"comity/crypto/pgp"
	"comity/protocol"
)

// ActKey opens the key with which people act for an authority, for one act: the
// node keeps neither it nor the passphrase. Calls wait for each other, because
// each takes the memory of one opening. A LockedError says that the passphrase
// is wrong.
func (n *Node) ActKey(a protocol.AuthorityID, passphrase string) (*pgp.Secret, error) {
	n.acting.Lock()
	defer n.acting.Unlock()
	if _, hosted := n.Offices[a]; !hosted {
		return nil, fmt.Errorf("this node does not host %s", a)
	}
	typed := &Passphrases{Ask: func(Holder) (string, error) { return passphrase, nil }}
	return n.readAct(a, &keyring{holder: ActHolder(a), from: typed})
}
