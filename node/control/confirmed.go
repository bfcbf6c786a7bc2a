package control

import (
	"fmt"
	"time"

	"comity/protocol"
	"comity/protocol/record"
)

// confirmations looks at when the authorities of the own record last confirmed
// what they say of themselves. One that has told nothing has nothing to confirm.
func confirmations(own *record.State, now time.Time) (checks []Check) {
	for _, m := range own.Members() {
		a := m.Document()
		if a.Particulars == nil {
			continue
		}
		on, old := a.Confirmed.Format(time.DateOnly), a.Confirmed.Add(protocol.MaxUnconfirmed)
		do := fmt.Sprintf(`look it through and publish it again, changed or not: "comity directory entry %s -o FILE", then "comity directory publish FILE --offline FOLDER"`, m.ID())
		switch {
		case now.After(old):
			checks = append(checks, warn("directory", do, "%s: last confirmed on %s, so every reader is told that it is old", m.ID(), on))
		case now.Add(soon).After(old):
			checks = append(checks, warn("directory", do, "%s: last confirmed on %s; from %s on every reader is told that it is old", m.ID(), on, old.Format(time.DateOnly)))
		default:
			checks = append(checks, good("directory", "%s: confirmed on %s", m.ID(), on))
		}
	}
	return checks
}
