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
		{Node{}, "Compromised", "max", protocol.MaxKeys},
		{Node{}, "Endpoints", "max", protocol.MaxEndpoints},
		{Entry{}, "Document", "long", protocol.MaxAuthorityEntry},
		{Entry{}, "Signature", "long", protocol.MaxSignature},
		{Authority{}, "Name", "max", protocol.MaxNames},
		{Authority{}, "Certificate", "long", protocol.MaxCertificate},
		{Authority{}, "Keys", "max", protocol.MaxKeys},
		{Authority{}, "Recipients", "max", protocol.MaxKeys},
		{Particulars{}, "Territory", "max", protocol.MaxNames},
		{Particulars{}, "Competences", "max", protocol.MaxCompetences},
		{Particulars{}, "Kinds", "max", protocol.MaxKinds},
		{Particulars{}, "Languages", "max", protocol.MaxLanguages},
		{Particulars{}, "Channels", "max", protocol.MaxChannels},
		{Particulars{}, "Urgent", "max", protocol.MaxNames},
		{Particulars{}, "Conditions", "max", protocol.MaxNames},
		{Competence{}, "Articles", "max", protocol.MaxArticles},
		{Competence{}, "Functions", "max", protocol.MaxFunctions},
		{Originals{}, "Waived", "max", protocol.MaxWaivers},
		{Desk{}, "Phones", "max", protocol.MaxLines},
		{Desk{}, "Mailboxes", "max", protocol.MaxLines},
		{Desk{}, "Languages", "max", protocol.MaxLanguages},
		{Contact{}, "Post", "max", protocol.MaxLines},
		{Contact{}, "Phones", "max", protocol.MaxLines},
		{Contact{}, "Mailboxes", "max", protocol.MaxLines},
		{Hours{}, "Openings", "max", protocol.MaxOpenings},
		{Hours{}, "Holidays", "max", protocol.MaxHolidays},
		{introduction{}, "Document", "long", protocol.MaxRecord},
		{introduction{}, "Signature", "long", protocol.MaxSignature},
	} {
		field, _ := reflect.TypeOf(test.of).FieldByName(test.field)
		if got := field.Tag.Get(test.tag); got != strconv.Itoa(test.want) {
			t.Errorf("%T.%s: tag %s is %q, want %d", test.of, test.field, test.tag, got, test.want)
		}
	}
}
