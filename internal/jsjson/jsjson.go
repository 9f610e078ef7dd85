// Package jsjson reads and writes JSON as ECMAScript's JSON.parse and
// JSON.stringify do (ECMA-262, 25.5). The network signs and hashes what
// JSON.stringify makes of a value that JSON.parse read, and encoding/json
// differs in escapes, numbers, order of members and lone surrogates.
//
// It promises that [Decode] and then [Value.Encode] give the bytes that
// JSON.stringify(JSON.parse(text)) gives:
//
//   - Members keep the order in which they came, those named like array indices
//     (0 to 4294967294, written without leading zeros) before all others, in
//     ascending order. A repeated member keeps the first place and the last value.
//   - Numbers are doubles, written with the fewest digits that give them back,
//     with an exponent from 1e21 and below 1e-6; -0 is 0, and what is too large
//     for a double is null.
//   - Only the quote, the backslash, characters below U+0020 and lone surrogates
//     are escaped. Bytes that are no UTF-8 are read as U+FFFD.
//   - There are no blanks, and undefined is written as JSON.stringify does: not
//     at all as a member, as null in an array.
//
// It refuses every text that JSON.parse refuses, and besides one whose arrays
// and objects are nested deeper than the caller allows. It coerces nothing,
// calls no toJSON, and doesn't bound the size of what it reads: the caller does,
// and a value can take fifty times the memory of its text.
package jsjson

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// Kind is the type of a value. The zero Kind is a member that isn't there.
type Kind uint8

// The types of ECMAScript that JSON knows, and undefined.
const (
	Undefined Kind = iota
	Null
	Boolean
	Number
	Text
	Array
	Object
)

// Value is a JSON value as ECMAScript holds it. Only the field of its Kind is
// set. The zero Value is undefined.
type Value struct {
	Kind    Kind
	Bool    bool
	Number  float64
	Text    string   // UTF-8, with lone surrogates in the three-byte form that UTF-8 forbids
	List    []Value  // the elements of an array
	Members []Member // of an object: no name twice, array indices first
}

// Member is one member of an object.
type Member struct {
	Name  string // in the form of Value.Text
	Value Value
}

// BoolValue returns a boolean.
func BoolValue(b bool) Value { return Value{Kind: Boolean, Bool: b} }

// NumberValue returns a number. NaN and the infinities are written as null.
func NumberValue(n float64) Value { return Value{Kind: Number, Number: n} }

// TextValue returns a text, which must be UTF-8 or the text of another value.
func TextValue(s string) Value { return Value{Kind: Text, Text: s} }

// ArrayValue returns an array that holds list itself, not a copy.
func ArrayValue(list []Value) Value { return Value{Kind: Array, List: list} }

// ObjectValue returns an object that holds members itself, not a copy. They are
// written as they are: distinct names and the order are the caller's concern.
func ObjectValue(members []Member) Value { return Value{Kind: Object, Members: members} }

// Get returns a member of an object, or an undefined value.
func (v Value) Get(name string) Value {
	if i := find(v.Members, name); i >= 0 {
		return v.Members[i].Value
	}
	return Value{}
}

// Set replaces a member of an object in its place, or adds it behind the others,
// an array index at its place among the indices. An undefined value changes
// nothing. A copy of v may share its members, as copies of a slice do.
func (v *Value) Set(name string, to Value) {
	if to.Kind == Undefined {
		return
	}
	if i := find(v.Members, name); i >= 0 {
		v.Members[i].Value = to
		return
	}
	m := Member{name, to}
	at := len(v.Members)
	if _, ok := arrayIndex(name); ok {
		at, _ = slices.BinarySearchFunc(v.Members, m, byIndex)
	}
	v.Members = slices.Insert(v.Members, at, m)
}

// find returns the place of a member, or -1.
func find(members []Member, name string) int {
	for i := range members {
		if members[i].Name == name {
			return i
		}
	}
	return -1
}

// Units is the length of a text in UTF-16 units, which is its length in
// ECMAScript.
func Units(s string) int {
	n := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0xF0:
			n += 2
		case c < 0x80 || c >= 0xC0:
			n++
		}
	}
	return n
}

// byIndex puts members named like array indices first, in ascending order.
func byIndex(a, b Member) int {
	x, isX := arrayIndex(a.Name)
	y, isY := arrayIndex(b.Name)
	switch {
	case isX && isY:
		return cmp.Compare(x, y)
	case isX:
		return -1
	case isY:
		return 1
	default:
		return 0
	}
}

// arrayIndex returns the index that name is the canonical text of (ECMA-262,
// 6.1.7).
func arrayIndex(name string) (uint64, bool) {
	if name == "" || len(name) > 10 || name[0] < '0' || name[0] > '9' || name[0] == '0' && name != "0" {
		return 0, false
	}
	n, err := strconv.ParseUint(name, 10, 64)
	return n, err == nil && n < math.MaxUint32
}

// surrogate returns the lone surrogate that the first three bytes stand for.
func surrogate[T ~string | ~[]byte](b T) (rune, bool) {
	if len(b) < 3 || b[0] != 0xED || b[1] < 0xA0 {
		return 0, false
	}
	return 0xD000 | rune(b[1]&0x3F)<<6 | rune(b[2]&0x3F), true
}
