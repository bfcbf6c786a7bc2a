package statement

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"comity/protocol"

	"github.com/go-json-experiment/json/jsontext"
)

// maxInteger is the largest integer of a document: the largest that every
// reader that computes in floating point still gets exactly (R-DOC-5).
const maxInteger = 1<<53 - 1

// reader reads one document.
type reader struct {
	tokens   *jsontext.Decoder
	name     string // of the document, for errors
	wantType string // until the first member has been compared, then ""
}

func newReader(data []byte, name string) *reader {
	// The decoder refuses invalid UTF-8, unpaired surrogates and duplicate names
	// unless told otherwise. It reads a bytes.Buffer in place and does not write to it.
	return &reader{tokens: jsontext.NewDecoder(bytes.NewBuffer(data)), name: name}
}

// frame checks the first byte and the last two (R-DOC-2).
func (r *reader) frame(data []byte) error {
	if len(data) == 0 || data[0] != '{' || !bytes.HasSuffix(data, []byte("}\n")) {
		return r.refuse(protocol.Malformed, `want an object that begins with "{" and ends with "}" and one line feed`)
	}
	return nil
}

// value reads the next value into v, which has the shape s.
func (r *reader) value(s *shape, rule rule, v reflect.Value) error {
	if r.tokens.PeekKind() == jsontext.KindString {
		return r.text(s, rule, v)
	}
	token, err := r.token()
	if err != nil {
		return err
	}
	if token.Kind() == jsontext.KindNull {
		if !rule.null {
			return r.refuseHere("must not be null")
		}
		return nil // v is zero
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch kind := token.Kind(); {
	case s.kind == object && kind == jsontext.KindBeginObject:
		return r.object(s, v)
	case s.kind == list && kind == jsontext.KindBeginArray:
		return r.list(s, rule, v)
	case s.kind == integer && kind == jsontext.KindNumber:
		return r.integer(token.String(), v)
	case s.kind == boolean && (kind == jsontext.KindTrue || kind == jsontext.KindFalse):
		v.SetBool(token.Bool())
		return nil
	}
	return r.refuseHere("want %s", s.kind.wanted())
}

// text reads the next value, which is a string.
func (r *reader) text(s *shape, rule rule, v reflect.Value) error {
	b, own, err := r.unquoted()
	switch {
	case err != nil:
		return err
	case !s.kind.isString():
		return r.refuseHere("want %s", s.kind.wanted())
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	return r.string(s.kind, rule, b, own, v)
}

// unquoted reads the next string, a name or a value, without making a Go string
// of it: a document carried as text is copied once, not three times. The bytes
// are the caller's to keep only if own says so; else they stand in the input.
func (r *reader) unquoted() (b []byte, own bool, err error) {
	raw, err := r.tokens.ReadValue()
	if err != nil {
		return nil, false, r.explain(err)
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], false, nil
	}
	b, err = jsontext.AppendUnquote(make([]byte, 0, len(raw)), raw)
	if err != nil {
		return nil, false, r.refuse(protocol.Malformed, "not strict JSON in UTF-8, near byte %d", r.tokens.InputOffset())
	}
	return b, true, nil
}

func (r *reader) object(s *shape, v reflect.Value) error {
	if err := r.depth(); err != nil {
		return err
	}
	seen := make([]bool, len(s.members))
	if r.wantType != "" {
		got, err := r.typeMember()
		if err != nil {
			return err
		}
		if err := r.compareType(got); err != nil {
			return err
		}
		v.FieldByIndex(s.members[0].index).SetString(got)
		seen[0], r.wantType = true, ""
	}
	for r.tokens.PeekKind() == jsontext.KindString {
		name, _, err := r.unquoted()
		if err != nil {
			return err
		}
		i := s.find(string(name)) // compared, not copied
		if i < 0 {
			return r.refuseHere("is not a member of this format")
		}
		seen[i] = true // a second one is refused by the decoder
		if err := r.value(s.members[i].shape, s.members[i].rule, v.FieldByIndex(s.members[i].index)); err != nil {
			return err
		}
	}
	if _, err := r.token(); err != nil { // the end of the object, or what should be one
		return err
	}
	// R-DOC-4: absence is never a value.
	for i, m := range s.members {
		if !seen[i] && !m.rule.optional {
			return r.refuse(protocol.Malformed, "member %q is missing", dotted(r.tokens.StackPointer().AppendToken(m.name)))
		}
	}
	return nil
}

func (r *reader) list(s *shape, rule rule, v reflect.Value) error {
	if err := r.depth(); err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	elements := rule
	elements.max, elements.null, elements.optional = 0, false, false
	for r.tokens.PeekKind() != jsontext.KindEndArray {
		if rule.max > 0 && v.Len() == rule.max {
			return r.refuse(protocol.Malformed, "member %q: more than %d elements", dotted(r.tokens.StackPointer().Parent()), rule.max)
		}
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		if err := r.value(s.element, elements, v.Index(v.Len()-1)); err != nil {
			return err
		}
	}
	if _, err := r.token(); err != nil {
		return err
	}
	if rule.optional && v.Len() == 0 {
		return r.refuseHere("is empty, and must then be absent")
	}
	return nil
}

// integer takes plain decimal digits only (R-DOC-5): other readers turn 1.0,
// 1e3, -0 or 2^53 into something else.
func (r *reader) integer(digits string, v reflect.Value) error {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != digits || n > maxInteger || n < -maxInteger || v.OverflowInt(n) {
		return r.refuseHere("want a plain integer")
	}
	v.SetInt(n)
	return nil
}

// string takes all kinds of text (R-DOC-6). own says that b may be kept.
func (r *reader) string(k kind, rule rule, b []byte, own bool, v reflect.Value) error {
	if bytes.IndexByte(b, 0) >= 0 {
		return r.refuseHere("contains U+0000")
	}
	long := rule.long
	if k == base {
		long = base64.StdEncoding.EncodedLen(rule.long)
	}
	if len(b) > long {
		return r.refuseHere("%d bytes of text, at most %d allowed", len(b), long)
	}
	switch k {
	case plain:
		v.SetString(string(b))
	case carried:
		if !own {
			b = bytes.Clone(b)
		}
		v.SetBytes(b)
	case base:
		// The library skips line breaks and would take other final bits.
		content, err := base64.StdEncoding.DecodeString(string(b))
		if err != nil || base64.StdEncoding.EncodeToString(content) != string(b) || len(content) > rule.long {
			return r.refuseHere("want canonical base64 of at most %d bytes", rule.long)
		}
		v.SetBytes(content)
	case text:
		return r.member(v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(b))
	default: // not strings
	}
	return nil
}

// typeMember reads the first member, which must be the type (R-DOC-3).
func (r *reader) typeMember() (string, error) {
	token, err := r.token()
	if err != nil {
		return "", err
	}
	if token.Kind() != jsontext.KindString || token.String() != "type" {
		return "", r.refuse(protocol.Malformed, "the first member must be the type")
	}
	if token, err = r.token(); err != nil {
		return "", err
	}
	if token.Kind() != jsontext.KindString || len(token.String()) > protocol.MaxString {
		return "", r.refuseHere("want a text")
	}
	return token.String(), nil
}

// compareType tells another version, which a newer program may write, from
// another document (R-DOC-3).
func (r *reader) compareType(got string) error {
	if got == r.wantType {
		return nil
	}
	at := strings.LastIndexByte(r.wantType, '/') + 1
	if len(got) > at && got[:at] == r.wantType[:at] && isVersion(got[at:]) {
		return r.refuse(protocol.UnsupportedVersion, "version %s, this side speaks %s", got[at:], r.wantType[at:])
	}
	return r.refuse(protocol.Malformed, "type %s, want %q", protocol.Quote([]byte(got)), r.wantType)
}

// isVersion reports whether s is a version: "v", then a number up to 9999 without leading zeros.
func isVersion(s string) bool {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "v"), 10, 16)
	return err == nil && n > 0 && n <= 9999 && s == "v"+strconv.FormatUint(n, 10)
}

func (r *reader) token() (jsontext.Token, error) {
	token, err := r.tokens.ReadToken()
	if err != nil {
		err = r.explain(err)
	}
	return token, err
}

// explain turns an error of the library into a refusal. The library's own text
// may quote any length of foreign text.
func (r *reader) explain(err error) error {
	var syntax *jsontext.SyntacticError
	switch at := r.tokens.InputOffset(); {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return r.refuse(protocol.Malformed, "a member stands twice, near byte %d", at)
	case errors.As(err, &syntax):
		return r.refuse(protocol.Malformed, "not strict JSON in UTF-8, near byte %d", syntax.ByteOffset)
	default:
		return r.refuse(protocol.Malformed, "ends within the object, near byte %d", at)
	}
}

func (r *reader) depth() error {
	if r.tokens.StackDepth() > protocol.MaxDepth {
		return r.refuse(protocol.Malformed, "nested deeper than %d levels", protocol.MaxDepth)
	}
	return nil
}

// member adds the member's path to a refusal by the member's own type.
func (r *reader) member(err error) error {
	var refusal *protocol.Refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal):
		return r.refuse(refusal.Code, "member %q: %s", dotted(r.tokens.StackPointer()), refusal.Detail)
	default:
		return r.refuseHere("not in its one form")
	}
}

// refuseHere refuses the member that was read last.
func (r *reader) refuseHere(format string, args ...any) error {
	return r.refuse(protocol.Malformed, "member %s: %s", protocol.Quote([]byte(dotted(r.tokens.StackPointer()))), fmt.Sprintf(format, args...))
}

func (r *reader) refuse(code protocol.Code, format string, args ...any) error {
	return protocol.Refuse(code, "%s: %s", r.name, fmt.Sprintf(format, args...))
}

// dotted writes the path to a member for people: "sealed.size", "files.3.name".
func dotted(p jsontext.Pointer) string {
	return strings.Join(slices.Collect(p.Tokens()), ".")
}
