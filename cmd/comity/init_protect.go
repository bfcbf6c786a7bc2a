package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"comity/crypto/seal"
	"comity/node/operate"
)

// protectFromTheStart finds a passphrase for all keys that are to be made.
func (p *program) protectFromTheStart(ctx context.Context, f *initFlags, plan *operate.Plan) error {
	if !f.protect {
		if len(p.passphraseFiles) > 0 {
			return misuse("add --protect", "a passphrase file protects nothing here without --protect")
		}
		return nil
	}
	from, err := p.passphrases(ctx, plan.Holders())
	if err != nil {
		return err
	}
	plan.Passphrases, plan.PassphraseFiles, err = p.newOnes(ctx, from, plan.Dir, plan.Holders())
	return err
}

// newOnes finds passphrases for keys of the node in dir that are to be made, and
// which of their files the configuration is to name.
func (p *program) newOnes(ctx context.Context, from *operate.Passphrases, dir string, holders []operate.Holder) (map[operate.Holder]*seal.Passphrase, map[operate.Holder]string, error) {
	from.Ask = nil // a new one is asked for twice
	all, files := map[operate.Holder]*seal.Passphrase{}, map[operate.Holder]string{}
	for _, h := range holders {
		pass, source, err := from.Find(h, operate.Config{})
		file := source
		switch {
		case errors.Is(err, operate.ErrNoPassphrase):
			flag := fmt.Sprintf("--passphrase-file %s=FILE", h)
			if pass, err = p.newPassphrase(ctx, h, "", flag); err != nil {
				return nil, nil, err
			}
			file = ""
		case err != nil:
			return nil, nil, badPassphrase(err)
		case (operate.Layout{Dir: dir}).Contains(file):
			return nil, nil, beside(file)
		}
		all[h] = pass
		own := from.Files[h] != ""
		if file != "" && h != operate.OfflineHolder && (own && !strings.HasPrefix(string(h), "act-") || file == from.Files[""]) {
			files[h] = file
		}
	}
	return all, files, nil
}
