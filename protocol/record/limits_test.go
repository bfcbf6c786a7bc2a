package record

import (
	"reflect"
	"strconv"
	"testing"

	"comity/protocol"
)

// Tags hold literals; the limits that SPEC lists are constants.
func TestTagsAgreeWithLimits(t *testing.T) {
	for _, test := range []struct {
		of         any
		field, tag string
		want       int
	}{
		{Record{}, "Name", "max", protocol.MaxNames},
		{Record{}, "Versions", "max", protocol.MaxVersions},
		{Record{}, "Keys", "max", protocol.MaxKeys},
		{Record{}, "Authorities", "max", protocol.MaxAuthorities},
		{Record{}, "Certificate", "long", protocol.MaxCertificate},
		{Node{}, "Certificate", "long", protocol.MaxCertificate},
		{Node{}, "Keys", "max", protocol.MaxKeys},
		{Node{}, "TLS", "max", protocol.MaxKeys},
		{Node{}, "Endpoints", "max", protocol.MaxEndpoints},
		{Entry{}, "Document", "long", protocol.MaxAuthorityEntry},
		{Entry{}, "Signature", "long", protocol.MaxSignature},
		{Authority{}, "Name", "max", protocol.MaxNames},
		{Authority{}, "Certificate", "long", protocol.MaxCertificate},
		{Authority{}, "Keys", "max", protocol.MaxKeys},
		{Authority{}, "Recipients", "max", protocol.MaxKeys},
		{introduction{}, "Document", "long", protocol.MaxRecord},
		{introduction{}, "Signature", "long", protocol.MaxSignature},
	} {
		field, _ := reflect.TypeOf(test.of).FieldByName(test.field)
		if got := field.Tag.Get(test.tag); got != strconv.Itoa(test.want) {
			t.Errorf("%T.%s: tag %s is %q, want %d", test.of, test.field, test.tag, got, test.want)
		}
	}
}
