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
	from.Ask = nil // a new one is asked for twice
	plan.Passphrases, plan.PassphraseFiles = map[operate.Holder]*seal.Passphrase{}, map[operate.Holder]string{}
	for _, h := range plan.Holders() {
		pass, source, err := from.Find(h, operate.Config{})
		file := source
		switch {
		case errors.Is(err, operate.ErrNoPassphrase):
			flag := fmt.Sprintf("--passphrase-file %s=FILE", h)
			if pass, err = p.newPassphrase(ctx, h, "", flag); err != nil {
				return err
			}
			file = ""
		case err != nil:
			return badPassphrase(err)
		case (operate.Layout{Dir: plan.Dir}).Contains(file):
			return beside(file)
		}
		plan.Passphrases[h] = pass
		own := from.Files[h] != ""
		if file != "" && h != operate.OfflineHolder && (own && !strings.HasPrefix(string(h), "act-") || file == from.Files[""]) {
			plan.PassphraseFiles[h] = file
		}
	}
	return nil
}
