// Package vectors holds examples of every format as data, valid and hostile, with what a receiver must say to each (index.json), and in
// exchange/ one whole transmission. README.md describes them for whoever writes another implementation.
//
// There is no code here but tests: they hold this implementation to the data for ever, and run the recipe of SPEC.md, section 15, on the
// exchange. The keys were made when the data was, and were thrown away; what is secret in exchange/ is a test key.
package vectors
