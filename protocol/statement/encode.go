package statement

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/go-json-experiment/json/jsontext"
)

// Encode writes the struct v (or what it points to) as a document: members in
// the order of the struct, two spaces of indent, one line feed at the end. It
// reads the result back with Decode and refuses what Decode would refuse, so
// nobody can sign what no receiver takes. The size is for the format to judge,
// since Encode knows no limit. It is not for re-writing a document that was
// read: its bytes are kept as they are (R-DOC-7).
func Encode(v any) ([]byte, error) {
	doc, typ, err := encode(v, documentSize)
	if err == nil {
		err = Decode(doc, typ, math.MaxInt, reflect.New(reflect.Indirect(reflect.ValueOf(v)).Type()).Interface())
	}
	if err != nil {
		return nil, fmt.Errorf("encoding a document from %T: %w", v, err)
	}
	return doc, nil
}

// EncodeCarrier writes the struct v, which carries signed documents and is not
// signed itself, as Encode does, without reading the result back: all that is in
// it was read or written by this package before. The carrier has about size
// bytes.
func EncodeCarrier(v any, size int) ([]byte, error) {
	data, _, err := encode(v, size)
	if err != nil {
		return nil, fmt.Errorf("encoding a carrier from %T: %w", v, err)
	}
	return data, nil
}

// documentSize is about what an evidence or an envelope has.
const documentSize = 2 << 10

// encode returns the bytes and the type member, empty where there is none.
func encode(v any, size int) (data []byte, typ string, err error) {
	source := reflect.Indirect(reflect.ValueOf(v))
	if source.Kind() != reflect.Struct {
		return nil, "", errors.New("want a struct")
	}
	shape, err := shapeOf(source.Type())
	if err != nil {
		return nil, "", err
	}
	if shape.kind != object {
		return nil, "", errors.New("it is no object")
	}
	if i := shape.find("type"); i >= 0 {
		typ = source.FieldByIndex(shape.members[i].index).String()
		if typ == "" {
			return nil, "", errors.New("its type is not set")
		}
	}
	var b bytes.Buffer
	b.Grow(size)
	w := writer{jsontext.NewEncoder(&b, jsontext.WithIndent("  "))}
	if err := w.value(shape, rule{}, source); err != nil {
		return nil, "", err
	}
	return b.Bytes(), typ, nil
}

// writer writes one document. The encoder escapes what JSON demands and no
// more: "<" stays "<".
type writer struct{ tokens *jsontext.Encoder }

func (w writer) value(s *shape, rule rule, v reflect.Value) error {
	if rule.null && v.IsNil() {
		return w.tokens.WriteToken(jsontext.Null)
	}
	v = reflect.Indirect(v)
	switch s.kind {
	case object:
		return w.object(s, v)
	case list:
		return w.list(s, v)
	case integer:
		return w.tokens.WriteToken(jsontext.Int(v.Int()))
	case boolean:
		return w.tokens.WriteToken(jsontext.Bool(v.Bool()))
	case base:
		return w.tokens.WriteToken(jsontext.String(base64.StdEncoding.EncodeToString(v.Bytes())))
	case carried:
		return w.tokens.WriteToken(jsontext.String(string(v.Bytes())))
	default: // text and plain, below
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		if err != nil {
			return err
		}
		return w.tokens.WriteToken(jsontext.String(string(b)))
	}
	return w.tokens.WriteToken(jsontext.String(v.String()))
}

func (w writer) object(s *shape, v reflect.Value) error {
	if err := w.tokens.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, m := range s.members {
		if m.rule.optional && v.FieldByIndex(m.index).IsNil() {
			continue
		}
		if err := w.tokens.WriteToken(jsontext.String(m.name)); err != nil {
			return err
		}
		if err := w.value(m.shape, m.rule, v.FieldByIndex(m.index)); err != nil {
			return err
		}
	}
	return w.tokens.WriteToken(jsontext.EndObject)
}

func (w writer) list(s *shape, v reflect.Value) error {
	if err := w.tokens.WriteToken(jsontext.BeginArray); err != nil {
		return err
	}
	for i := range v.Len() {
		if err := w.value(s.element, rule{}, v.Index(i)); err != nil {
			return err
		}
	}
	return w.tokens.WriteToken(jsontext.EndArray)
}
