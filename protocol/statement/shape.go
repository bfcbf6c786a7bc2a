package statement

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"

	"comity/protocol"
)

// kind is how a Go type stands in a document.
type kind uint8

const (
	object  kind = iota // a struct
	list                // a slice
	text                // a type that judges its own text
	plain               // any other string
	integer             // a signed integer
	boolean             // true or false
	base                // a []byte in base64
	carried             // a []byte as text
)

func (k kind) isString() bool { return k == text || k == plain || k == base || k == carried }

// wanted says in words what a member of this kind must be.
func (k kind) wanted() string {
	switch k {
	case object:
		return "an object"
	case list:
		return "a list"
	case integer:
		return "a plain integer"
	case boolean:
		return "true or false"
	default:
		return "a text"
	}
}

// shape describes a Go type as a document holds it. It is read-only once built.
type shape struct {
	kind    kind
	members []member // of an object, in the order of the struct
	element *shape   // of a list
}

// member is one member of an object.
type member struct {
	name  string
	index []int // of the field, through embedded structs
	shape *shape
	rule  rule
}

// rule is what the tags of a field allow.
type rule struct {
	long int  // bytes of one string
	max  int  // elements of a list; 0 = as many as the document's size allows
	null bool // null stands for nil
	// optional members may be absent, which stands for nil, and are never null or
	// an empty list: nothing has two spellings.
	optional bool
}

var (
	unmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	marshaler   = reflect.TypeFor[encoding.TextMarshaler]()
)

// known holds the shape of each type that stands for a whole document. It is
// derived from the program text alone and never changes once built, so it is no
// state that two callers could see differently; building it anew for each
// document cost a third of reading one. There are as many entries as the module
// has document types, so the map is copied for each new one, and reading it
// takes no lock.
var known atomic.Pointer[map[reflect.Type]*shape]

// shapeOf returns the shape of t. Its errors are mistakes in our own structs.
func shapeOf(t reflect.Type) (*shape, error) {
	if all := known.Load(); all != nil && (*all)[t] != nil {
		return (*all)[t], nil
	}
	made, err := make(shapes).of(t)
	if err != nil {
		return nil, err
	}
	for { // only a finished shape is shown to others; of two built at once, either serves
		before := known.Load()
		after := map[reflect.Type]*shape{}
		if before != nil {
			after = maps.Clone(*before)
		}
		after[t] = made
		if known.CompareAndSwap(before, &after) {
			return made, nil
		}
	}
}

// shapes builds the shapes of one type; the map ends types that contain themselves.
type shapes map[reflect.Type]*shape

// of returns the shape of t. Its errors are mistakes in our own structs.
func (s shapes) of(t reflect.Type) (*shape, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if begun, ok := s[t]; ok {
		return begun, nil
	}
	made := new(shape)
	s[t] = made
	switch {
	case reflect.PointerTo(t).Implements(unmarshaler):
		made.kind = text
		if t.Kind() != reflect.String && !t.Implements(marshaler) {
			return nil, fmt.Errorf("%s reads its own text but does not write it", t)
		}
	case t.Kind() == reflect.Struct:
		made.kind = object
		return made, s.addMembers(made, t, nil)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		made.kind = base
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Pointer:
		made.kind = list
		var err error
		made.element, err = s.of(t.Elem())
		return made, err
	case t.Kind() == reflect.String:
		made.kind = plain
	case t.Kind() == reflect.Int64, t.Kind() == reflect.Int, t.Kind() == reflect.Int32:
		made.kind = integer
	case t.Kind() == reflect.Bool:
		made.kind = boolean
	default:
		return nil, fmt.Errorf("a document cannot hold the Go type %s", t)
	}
	return made, nil
}

// addMembers adds the fields of the struct t, which stands at index in the outer struct.
func (s shapes) addMembers(to *shape, t reflect.Type, index []int) error {
	for i := range t.NumField() {
		field := t.Field(i)
		at := append(index[:len(index):len(index)], i)
		name := field.Tag.Get("json")
		switch {
		case field.Anonymous && name == "" && field.Type.Kind() == reflect.Struct:
			if err := s.addMembers(to, field.Type, at); err != nil {
				return err
			}
			continue
		case !field.IsExported(), name == "-": // not of the document
			continue
		case name == "" || strings.Contains(name, ","):
			return fmt.Errorf("field %s.%s has no plain json name", t, field.Name)
		}
		m := member{name: name, index: at}
		var err error
		if m.shape, err = s.of(field.Type); err != nil {
			return err
		}
		if m.rule, err = ruleOf(field); err != nil {
			return err
		}
		if field.Tag.Get("carry") != "" {
			m.shape = &shape{kind: carried}
		}
		to.members = append(to.members, m)
	}
	return nil
}

func ruleOf(field reflect.StructField) (r rule, err error) {
	r = rule{long: protocol.MaxString, null: field.Type.Kind() == reflect.Pointer}
	for tag, to := range map[string]*int{"long": &r.long, "max": &r.max} {
		if n := field.Tag.Get(tag); n != "" && err == nil {
			*to, err = strconv.Atoi(n)
		}
	}
	if field.Tag.Get("optional") != "" {
		if k := field.Type.Kind(); err == nil && k != reflect.Slice && k != reflect.Pointer {
			err = fmt.Errorf("the tag optional on %s, which cannot be nil", field.Name)
		}
		r.optional, r.null = true, false
	}
	switch carry := field.Tag.Get("carry"); {
	case carry == "":
	case field.Type.Kind() != reflect.Slice || field.Type.Elem().Kind() != reflect.Uint8:
		err = fmt.Errorf("the tag carry on %s, which is no []byte", field.Name)
	case carry == "text,null":
		r.null = true
	case carry != "text":
		err = fmt.Errorf("the tag carry:%q on %s", carry, field.Name)
	}
	return r, err
}

// find returns the position of the member called name, or -1. Objects are
// small; comparing names costs less than building a map for each document.
func (s *shape) find(name string) int {
	for i := range s.members {
		if s.members[i].name == name {
			return i
		}
	}
	return -1
}
