// Package operate turns a data directory into a running node: its layout, its
// configuration, its lock, its creation, and the wiring of stores, keys,
// gateway and offices. It decides nothing about parcels.
//
// Create makes a whole directory or none: it works in a temporary one beside
// it and renames at the end. Open only opens; it never repairs and never
// creates what is missing.
package operate
