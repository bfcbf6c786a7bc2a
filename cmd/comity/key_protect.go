package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"comity/crypto/seal"
	"comity/node/control"
	"comity/node/operate"
)

func (p *program) keyProtect() *cobra.Command {
	var file, folder string
	c := &cobra.Command{
		Use: "protect WHOSE", Args: words(1, 1),
		Short: "Protect key files by a passphrase, or change it",
		Long: `Protects the key files of WHOSE by a passphrase, each on its own, as files that
"age -d" opens too; or gives protected ones another passphrase. The node must not
run. WHOSE is

  node              the node's own keys; without the passphrase it does not start
  office-AUTHORITY  what an office needs unattended: to open and to attest
  act-AUTHORITY     the key with which people send, acknowledge, decline and
                    withdraw; if the node gets no passphrase for it, each of
                    these commands asks, and so does "comity doctor PEER"
  offline           the keys that belong off this machine; --folder names where

The new passphrase comes from a file of mode 0600, or is asked for twice; the one
before, as in every command, from --passphrase-file, a systemd credential,
comity.toml or the terminal. If it is interrupted, type it again with the same two:
each file is either as it was or as it should be.

Afterwards the medium may still show what the files held before: to be safe from
whoever takes the disk, protect keys from the start, with "comity init".`,
		Example: `  comity key passphrase /etc/comity/node.passphrase
  comity key protect node --new-passphrase-file /etc/comity/node.passphrase
  comity key protect offline --folder /media/stick/offline`,
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := p.directory()
			if err != nil {
				return err
			}
			h := operate.Holder(args[0])
			if err := onlyOffline(h, folder); err != nil {
				return err
			}
			if file != "" && (operate.Layout{Dir: dir}).Contains(absolute(file)) {
				return beside(file)
			}
			pass, err := p.newPassphrase(c.Context(), h, file, "--new-passphrase-file")
			if err != nil {
				return err
			}
			return p.protect(c.Context(), dir, h, folder, pass, file)
		},
	}
	c.Flags().StringVar(&file, "new-passphrase-file", "", "`FILE` with the passphrase that they are to have")
	c.Flags().StringVar(&folder, "folder", "", "`FOLDER` that the offline keys were moved to")
	return c
}

// onlyOffline refuses a folder for keys that cannot be moved: they are where the
// node looks for them, and its lock guards them only there.
func onlyOffline(h operate.Holder, folder string) error {
	if folder == "" || h == operate.OfflineHolder {
		return nil
	}
	return misuse("leave it away; --dir names the data directory", "--folder says where the offline keys are; those of %s are in the data directory", h)
}

func (p *program) protect(ctx context.Context, dir string, h operate.Holder, folder string, pass *seal.Passphrase, file string) error {
	from, err := p.passphrases(ctx, holdersIn(dir))
	if err != nil {
		return err
	}
	done, err := control.ProtectKeys(ctx, dir, control.Protect{Holder: h, Folder: folder, New: pass, Old: from})
	if err != nil {
		return err
	}
	if p.json {
		return p.object(done)
	}
	how := "without a passphrase"
	if pass != nil {
		how = "protected by the new passphrase"
	}
	p.say("%s: %s, %s now; %d changed.", h, count(done.Files, "key file"), how, done.Changed)
	if done.Unnoted != "" {
		p.say("This is not noted for \"comity report exceptions\": %s", safe(done.Unnoted))
	}
	switch {
	case h == operate.OfflineHolder:
	case pass == nil:
		p.say("If comity.toml has a line passphrase_files.%s, it does no harm.", h)
	case file != "":
		return p.tellServe(dir, h, absolute(file))
	}
	return nil
}

// tellServe says how "comity serve" is to find a passphrase. A table or a line
// that comity.toml has already must not be written into it twice.
func (p *program) tellServe(dir string, h operate.Holder, file string) error {
	config, err := control.ReadConfig(dir)
	if err != nil {
		return err
	}
	before, named := config.PassphraseFiles[h]
	if named && before == file {
		p.say("comity.toml names %s for them already.", file)
		return nil
	}
	p.say("\nSo that \"comity serve\" finds it, provide it as the systemd credential comity-%s,", h)
	switch {
	case named:
		p.say("or change passphrase_files.%s in comity.toml, now %q, to %q.", h, before, file)
	case config.PassphraseFiles != nil:
		p.say("or add this line to the table [passphrase_files] of comity.toml:\n\n%s = %q", h, file)
	default:
		p.say("or write into comity.toml, in this table at its end:\n\n[passphrase_files]\n%s = %q", h, file)
	}
	return nil
}

// beside refuses a passphrase that would be copied with the keys.
func beside(file string) error {
	return problem("choose a place outside the data directory, and outside its backups",
		"%s is in the data directory: whoever copies the keys would have their passphrase too", file)
}

// absolute is the full path of a file; an impossible one stays as it is.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
