package main

// federation is the package that holds a federation's directory, and its tests.
func federation(run string) test { return test{pkg: "./node/federation", run: "^" + run + "$"} }

// directory are the bugs in what stewards, registrars and nodes do with a directory.
var directory = []mutant{
	{
		"go-back-behind-a-new-key", "R-FED-4: an older edition counts once the online key has changed",
		[]edit{{"node/federation/edition.go", "if l.version < before.version {", "if l.version < 0 {"}},
		federation("TestRollbackBehindNewOnlineKey"),
	},
	{
		"one-steward-is-enough", "R-FED-1: a root lets one steward sign alone",
		[]edit{{"node/federation/charter.go", `if hand != "online" && s.Threshold < MinThreshold {`, `if hand != "online" && s.Threshold < 1 {`}},
		federation("TestLooseRoot"),
	},
	{
		"take-a-listing-back", "R-FED-4: an edition lists less than the one before",
		[]edit{{"node/federation/edition.go", "case !listed:", "case !listed && l == nil:"}},
		federation("TestStewardsChangeThePast"),
	},
	{
		"believe-stewards", "R-FED-5: a listed record counts although it does not follow from the one that is held",
		[]edit{{"node/federation/judge.go", "record.Verify(signed, prev)", "record.Verify(signed, nil)"}},
		federation("TestStewardsAgainstOneState"),
	},
	{
		"one-edition-or-two", "R-FED-7: nobody sees that a peer was shown another directory of one version",
		[]edit{{"node/federation/edition.go", "&& ref.Digest != own.Digest {", "&& ref.Digest.IsZero() {"}},
		federation("TestSplitView"),
	},
	{
		"forget-who-contradicted-itself", "R-FED-7: what the online key has signed twice is not kept",
		[]edit{{"node/federation/refresh.go", "if trouble := c.keepRefused(f); trouble != nil {", "if trouble := own(nil); trouble != nil {"}},
		federation("TestSplitView"),
	},
	{
		"follow-what-is-followed", "R-REC-3: a second record after one that another follows is listed",
		[]edit{{"node/federation/followed.go", "if isFollowed {", "if isFollowed && prev == nil {"}},
		federation("TestNoSecondRecordFollows"),
	},
	{
		"hide-the-newest-record", "R-FED-5: a registrar who leaves a record out of a paper has an older one followed",
		[]edit{{"node/federation/followed.go", "data, err := get(i)\n\t\tif err != nil {\n\t\t\treturn nil, err\n\t\t}", "data, err := get(i)\n\t\tif err != nil {\n\t\t\tcontinue\n\t\t}"}},
		federation("TestNoSecondRecordFollows"),
	},
	{
		"sign-two-of-one-number", "two drafts of one number are signed by one steward",
		[]edit{{"node/federation/safe_sign.go", "if err := s.checkSigned(d, instead); err != nil {", "if err := s.checkSigned(d, true); err != nil {"}},
		federation("TestOneDraftForEachNumber"),
	},
	{
		"announce-a-theft-twice", "a theft that is typed twice marks the keys that took the place of the stolen ones",
		[]edit{{"node/operate/rotate.go", "if r.isAnnounced(k, p.Authorities) {", "if r.isAnnounced(k, nil) {"}},
		test{pkg: "./node/operate", run: "^TestATheftIsAnnouncedOnce$"},
	},
}
