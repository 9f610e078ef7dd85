package reach

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Bounds of a node list. The network has some ten thousand nodes.
const (
	maxEntries = 200_000
	maxField   = 256 // bytes of a text in an entry
)

// Entry is one node of the deterministic list, as the chain daemon says.
type Entry struct {
	Collateral      Outpoint
	IP              string  // as the daemon writes it, perhaps with a port; "" before the first confirmation
	Address         Address // IP parsed; zero when it is empty or not an IPv4 address
	Network         string  // "", or the kind of network of an address that is not IPv4
	Tier            string  // "CUMULUS", "NIMBUS", "STRATUS"
	Pubkey          string  // hex; signs the node's messages
	PaymentAddress  string
	AddedHeight     int64
	ConfirmedHeight int64  // of the first confirmation
	LastConfirmed   int64  // height
	LastPaid        int64  // height
	ActiveSince     int64  // Unix seconds
	LastPaidTime    int64  // Unix seconds
	Amount          string // coins of the collateral, "1000.00"
	Rank            int64  // place in its tier's queue for pay
}

// number takes a JSON number or its text: the daemon writes some both ways.
type number int64

func (n *number) UnmarshalJSON(raw []byte) error {
	text := string(bytes.Trim(raw, `"`))
	if text == "" || text == "null" {
		return nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("%.32q is not a whole number", text)
	}
	*n = number(v)
	return nil
}

// label takes a JSON text or the text of a number.
type label string

func (l *label) UnmarshalJSON(raw []byte) error {
	if len(raw) > maxField {
		return fmt.Errorf("a text of %d bytes, at most %d are read", len(raw), maxField)
	}
	if raw[0] != '"' {
		*l = label(raw)
		return nil
	}
	return json.Unmarshal(raw, (*string)(l))
}

type wireEntry struct {
	Collateral      string `json:"collateral"`
	IP              string `json:"ip"`
	Network         string `json:"network"`
	Tier            string `json:"tier"`
	Pubkey          string `json:"pubkey"`
	PaymentAddress  string `json:"payment_address"`
	AddedHeight     number `json:"added_height"`
	ConfirmedHeight number `json:"confirmed_height"`
	LastConfirmed   number `json:"last_confirmed_height"`
	LastPaid        number `json:"last_paid_height"`
	ActiveSince     number `json:"activesince"`
	LastPaidTime    number `json:"lastpaid"`
	Amount          label  `json:"amount"`
	Rank            number `json:"rank"`
}

func (w wireEntry) entry() (Entry, error) {
	for _, s := range []string{w.IP, w.Network, w.Tier, w.Pubkey, w.PaymentAddress} {
		if len(s) > maxField {
			return Entry{}, fmt.Errorf("a text of %d bytes, at most %d are read", len(s), maxField)
		}
	}
	collateral, err := ParseOutpoint(w.Collateral)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{
		Collateral: collateral, IP: w.IP, Network: w.Network, Tier: w.Tier, Pubkey: w.Pubkey, PaymentAddress: w.PaymentAddress,
		AddedHeight: int64(w.AddedHeight), ConfirmedHeight: int64(w.ConfirmedHeight), LastConfirmed: int64(w.LastConfirmed), LastPaid: int64(w.LastPaid),
		ActiveSince: int64(w.ActiveSince), LastPaidTime: int64(w.LastPaidTime), Amount: string(w.Amount), Rank: int64(w.Rank),
	}
	if a, err := ParseAddress(w.IP); err == nil {
		e.Address = a
	}
	return e, nil
}

var errNotAList = errors.New("the answer is not a list of nodes")

// decodeList reads a list one entry at a time. An entry that can't be read is
// left out and counted; an answer that is no list is an error.
func decodeList(raw []byte) (entries []Entry, skipped int, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, 0, errNotAList
	}
	names := make(map[string]string) // tiers and networks repeat: one copy of each
	for dec.More() {
		if len(entries)+skipped == maxEntries {
			return nil, 0, fmt.Errorf("the list has more than %d entries", maxEntries)
		}
		var w wireEntry
		err := dec.Decode(&w)
		if broken(err) {
			return nil, 0, fmt.Errorf("entry %d: %w", len(entries)+skipped, err)
		}
		var e Entry
		if err == nil {
			e, err = w.entry()
		}
		if err != nil {
			skipped++
			continue
		}
		e.Tier, e.Network, e.Amount = intern(names, e.Tier), intern(names, e.Network), intern(names, e.Amount)
		entries = append(entries, e)
	}
	if _, err := dec.Token(); err != nil {
		return nil, 0, fmt.Errorf("end of the list: %w", err)
	}
	return entries, skipped, nil
}

// broken reports whether an error is about the JSON of the list rather than
// about what one entry says.
func broken(err error) bool {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	return syntax || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func intern(names map[string]string, s string) string {
	if kept, ok := names[s]; ok {
		return kept
	}
	s = strings.Clone(s)
	names[s] = s
	return s
}
