package office

import (
	"context"
	"errors"
	"time"
)

// expiredAgain is when a message that seems to have expired is looked at again:
// the clock may have been wrong.
const expiredAgain = time.Hour

// repair submits and files again what was interrupted: at the start all that a
// crash left behind, later whatever asked for it.
func (o *Office) repair(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		expired, err := o.finishAll(ctx)
		if broken(err) {
			return err
		}
		if err == nil {
			failures = 0
			var again <-chan time.Time
			if expired {
				again = time.After(expiredAgain)
			}
			select {
			case <-ctx.Done():
			case <-o.unfinished:
			case <-again:
			}
			continue
		}
		if ctx.Err() == nil {
			o.log.Warn("something is still to be handed to the gateway", "error", err)
		}
		timer := time.NewTimer(backoff(failures))
		failures++
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// finishAll goes once through all that is unfinished. One that fails does not
// keep the others waiting. expired says that a message was left because its time
// has passed.
func (o *Office) finishAll(ctx context.Context) (expired bool, err error) {
	var errs []error
	unfiled, err := o.store.Unfiled(ctx, 0)
	if err != nil {
		return false, err
	}
	for _, u := range unfiled {
		errs = append(errs, o.fileOne(ctx, u.Key, u.Evidence))
	}
	errs = append(errs, o.handAll(ctx))
	unsent, err := o.store.Unsent(ctx, 0)
	if err != nil {
		return false, err
	}
	for i := range unsent {
		if !o.now().Before(unsent[i].Expires) {
			o.log.Warn("a message expired before any gateway took it", "parcel", string(unsent[i].Name.Parcel))
			expired = true
			continue
		}
		_, err := o.submit(ctx, &unsent[i])
		errs = append(errs, err)
	}
	return expired, errors.Join(errs...)
}
