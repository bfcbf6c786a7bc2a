package hostile

import (
	"bytes"
	"context"
	"net/http"
)

// Replayer sends one authentic parcel again and again. Each repeat gets the very
// bytes of the first answer, and takes no effect (R-XCH-3).
var Replayer = Program{
	Name: "replayer", Does: "sends one authentic parcel, envelope and bytes, for ever",
	Step: func(ctx context.Context, s *Session) error {
		r, ok := s.kept.(*replay)
		if !ok {
			m, err := s.offered([]byte("a parcel that is sent again"), nil)
			if err != nil {
				return err
			}
			r = &replay{parcel: m}
			s.kept = r
		}
		a, err := s.call(ctx, http.MethodPut, r.parcel.path, nil, r.parcel.put)
		if err == nil && a.accepted() && a.receipt() == nil {
			a, err = s.call(ctx, http.MethodPatch, r.parcel.path, appending(), r.parcel.body)
		}
		if err != nil || a.receipt() == nil {
			return err
		}
		if r.first == nil {
			r.first = a.receipt()
		}
		if !bytes.Equal(a.receipt(), r.first) {
			return untrue("a repeat got another receipt than the first time")
		}
		return nil
	},
}

type replay struct {
	parcel *made
	first  []byte // the receipt, as it was answered first
}
