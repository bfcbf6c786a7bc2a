package main

import (
	"context"
	"path/filepath"
	"time"

	"comity/protocol"
)

// verify exports the parcel at both sides and checks the exported files against
// nothing but the two records whose words were compared; then both logs and the
// delivered bytes.
func (d *demo) verify(ctx context.Context, id protocol.ParcelID) error {
	d.chapter("Everything is checked again, from the files that each side can hand to a court")
	var both [2]*examined
	for i, s := range []*side{d.a, d.b} {
		folder := filepath.Join(d.dir, "export-"+filepath.Base(s.dir))
		if _, err := s.node.Export(ctx, "", string(id), folder); err != nil {
			return err
		}
		var err error
		if both[i], err = examine(folder, d.a.record, d.b.record, time.Now()); err == nil {
			err = both[i].complete()
		}
		if err != nil {
			return integrity("the export of state %s: %v", s.label, err)
		}
		d.examined(s, both[i], folder)
	}
	if err := both[0].same(both[1]); err != nil {
		return integrity("%v", err)
	}
	d.agreed(both[0])
	for _, s := range []*side{d.a, d.b} {
		report, err := s.node.CheckLog(ctx)
		if err != nil {
			return err
		}
		d.logChecked(s, report)
	}
	total, err := d.compare(ctx, id)
	if err != nil {
		return integrity("%v", err)
	}
	d.compared(len(d.files), total)
	return nil
}
