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
	source := reflect.Indirect(reflect.ValueOf(v))
	if source.Kind() != reflect.Struct {
		return nil, fmt.Errorf("encoding a document: want a struct, got %T", v)
	}
	doc, err := encode(source)
	if err != nil {
		return nil, fmt.Errorf("encoding a document from %s: %w", source.Type(), err)
	}
	return doc, nil
}

func encode(v reflect.Value) ([]byte, error) {
	shape, err := shapeOf(v.Type())
	if err != nil {
		return nil, err
	}
	if shape.kind != object {
		return nil, errors.New("it is no object")
	}
	var typ string
	if i := shape.find("type"); i >= 0 {
		typ = v.FieldByIndex(shape.members[i].index).String()
		if typ == "" {
			return nil, errors.New("its type is not set")
		}
	}
	var b bytes.Buffer
	w := writer{jsontext.NewEncoder(&b, jsontext.WithIndent("  "))}
	if err := w.value(shape, rule{}, v); err != nil {
		return nil, err
	}
	if err := Decode(b.Bytes(), typ, math.MaxInt, reflect.New(v.Type()).Interface()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
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
