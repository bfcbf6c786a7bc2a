package statement

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"comity/protocol"
)

// Decode reads the document data into the struct that v points to. wantType is
// the type that the caller expects, such as "comity/envelope/v1", or "" for a
// carrier of the wire, which has none. limit is the largest size in bytes.
//
// Every error about data is a *protocol.Refusal that names the member:
// TooLarge beyond limit, UnsupportedVersion for another version of wantType,
// Malformed for all else. After an error *v is undefined. A document that
// Decode takes has only one reading (R-DOC-1 to R-DOC-6); the bytes stay with
// the caller, who keeps them as they are (R-DOC-7).
func Decode(data []byte, wantType string, limit int, v any) error {
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() || target.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("decoding a document: want a pointer to a struct, got %T", v)
	}
	target = target.Elem()
	shape, err := shapeOf(target.Type())
	if err == nil && (wantType != "") != (shape.find("type") == 0) {
		err = errors.New("only a typed document has the member type, and has it first")
	}
	if err != nil {
		return fmt.Errorf("decoding a document into %s: %w", target.Type(), err)
	}
	r := newReader(data, nameOf(wantType, target.Type()))
	// R-DOC-1: the size comes before any work.
	if len(data) > limit {
		return r.refuse(protocol.TooLarge, "%d bytes, at most %d allowed", len(data), limit)
	}
	if err := r.frame(data); err != nil {
		return err
	}
	r.wantType = wantType
	target.SetZero()
	if err := r.value(shape, rule{}, target); err != nil {
		return err
	}
	// R-DOC-2: frame has seen the last two bytes; the object must end with them.
	if r.tokens.InputOffset() != int64(len(data)-1) {
		return r.refuse(protocol.Malformed, "more follows after the object")
	}
	return nil
}

// TypeOf returns the type of the document data without judging the rest of it.
func TypeOf(data []byte) (string, error) {
	r := newReader(data, "document")
	if err := r.frame(data); err != nil {
		return "", err
	}
	if _, err := r.token(); err != nil { // the brace
		return "", err
	}
	return r.typeMember()
}

// nameOf returns the document's name for errors: "envelope" of
// "comity/envelope/v1", or the name of the carrier's Go type.
func nameOf(typ string, t reflect.Type) string {
	if parts := strings.Split(typ, "/"); len(parts) == 3 {
		return parts[1]
	}
	return strings.ToLower(t.Name())
}
