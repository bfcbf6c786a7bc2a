package federation

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"comity/protocol"
)

// explain gives an error of the library the reason code that it amounts to. What
// is only trouble on the way, and says nothing about the files, stays an error
// without one.
func explain(err error) error {
	if err == nil || protocol.CodeOf(err) != "" {
		return err
	}
	var (
		expired  *metadata.ErrExpiredMetadata
		unsigned *metadata.ErrUnsignedMetadata
		version  *metadata.ErrBadVersionNumber
		mismatch *metadata.ErrLengthOrHashMismatch
		tooLong  *metadata.ErrDownloadLengthMismatch
		broken   *metadata.ErrRepository
		value    *metadata.ErrValue
		syntax   *json.SyntaxError
		shape    *json.UnmarshalTypeError
	)
	code := protocol.Code("")
	switch {
	case errors.As(err, &expired), errors.As(err, &version):
		code = protocol.Expired // ended, or older than what is known
	case errors.As(err, &unsigned):
		code = protocol.BadSignature
	case errors.As(err, &mismatch):
		code = protocol.DigestMismatch
	case errors.As(err, &tooLong):
		code = protocol.TooLarge
	case errors.As(err, &broken), errors.As(err, &value), errors.As(err, &syntax), errors.As(err, &shape):
		code = protocol.Malformed
	default:
		return err
	}
	return protocol.Refuse(code, "%s", oneLine(err.Error()))
}

// maxText is how much of an error of the library is told: names in foreign metadata
// may stand in it.
const maxText = 300

func oneLine(text string) string {
	quoted := strconv.QuoteToGraphic(text[:min(len(text), maxText)])
	return quoted[1 : len(quoted)-1]
}
