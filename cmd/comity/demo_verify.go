package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"comity/cmd/comity-verify/anchors"
	"comity/node/control"
	"comity/protocol"
	"comity/protocol/bundle"
)

// verify exports the parcel at both sides and checks the exported files against
// nothing but the two records whose words were compared; then both logs, the
// delivered bytes and the bundle for an auditor.
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
	return d.bundle(ctx, id)
}

// bundle writes what state A would hand to a court, and checks it as an auditor
// does who holds nothing but the two introductions.
func (d *demo) bundle(ctx context.Context, id protocol.ParcelID) error {
	trust := filepath.Join(d.dir, "trust")
	if err := os.Mkdir(trust, 0o700); err != nil {
		return err
	}
	for _, s := range []*side{d.a, d.b} {
		if err := writeNew(filepath.Join(trust, s.state+".json"), s.file); err != nil {
			return err
		}
	}
	path := filepath.Join(d.dir, "evidence.tar")
	written, err := d.a.node.Bundle(ctx, control.BundleRequest{Parcel: string(id), Path: path, Language: bundle.English, Offset: bundle.UTC})
	if err != nil {
		return err
	}
	held, err := anchors.Read(trust)
	if err != nil {
		return err
	}
	report, err := anchors.Check(path, held, bundle.Options{})
	if err != nil {
		return integrity("the bundle: %v", err)
	}
	if report.ExitCode() != exitDone {
		return integrity("the bundle: %s", report.Conclusion())
	}
	d.proved(written, report)
	return nil
}
