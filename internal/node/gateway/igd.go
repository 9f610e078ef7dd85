package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/huin/goupnp/soap"
)

// Error codes of the WANIPConnection service, versions 1 and 2.
const (
	codeInvalidArgs       = 402
	codeActionFailed      = 501
	codeNotAuthorized     = 606
	codeIndexInvalid      = 713
	codeNoSuchEntry       = 714
	codeConflict          = 718
	codeOnlyPermanent     = 725
	codeConflictOtherWays = 729
)

// maxEntries bounds the mappings read from one router. Small routers have room
// for 32.
const maxEntries = 1024

// Names of calls of the WANIPConnection service.
const (
	addPortMapping         = "AddPortMapping"
	deletePortMapping      = "DeletePortMapping"
	getSpecificPortMapping = "GetSpecificPortMappingEntry"
	getGenericPortMapping  = "GetGenericPortMappingEntry"
	getExternalIPAddress   = "GetExternalIPAddress"
)

// igd is a router that speaks UPnP. Its calls are made one at a time by the
// Gateway that owns it.
type igd struct {
	wan      connection
	local    netip.Addr
	device   Device
	callTime time.Duration
	finite   time.Duration
	ledger   *ledger

	refusesPermanent bool // learned from a refusal
	onlyPermanent    bool
	listOnly         bool // learned: can't be asked for one mapping
}

// call makes one call within callTime and sorts its failure: a refusal is the
// router's word, everything else means that no router is there.
func (r *igd) call(ctx context.Context, name string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.callTime)
	defer cancel()
	err := do(ctx)
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*soap.SOAPFaultError](err); ok {
		return &ErrRefused{Call: name, Code: f.Detail.UPnPError.Errorcode, Text: foreign(f.Detail.UPnPError.ErrorDescription)}
	}
	return unreachable(name, err)
}

// refused reports whether an error is the router's own refusal.
func refused(err error) bool {
	_, ok := errors.AsType[*ErrRefused](err)
	return ok
}

// refusal returns the code of a router's refusal, 0 for any other error.
func refusal(err error) int {
	if r, ok := errors.AsType[*ErrRefused](err); ok {
		return r.Code
	}
	return 0
}

func (r *igd) describe() Device { return r.device }

func (r *igd) external(ctx context.Context) (netip.Addr, error) {
	var text string
	err := r.call(ctx, getExternalIPAddress, func(ctx context.Context) (err error) {
		text, err = r.wan.GetExternalIPAddressCtx(ctx)
		return err
	})
	if err != nil {
		return netip.Addr{}, err
	}
	return parseExternal(text)
}

// parseExternal reads an external address. Routers say 0.0.0.0 or nothing
// while they aren't connected.
func parseExternal(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil || !a.Is4() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
		return netip.Addr{}, &ErrRefused{Call: getExternalIPAddress, Text: fmt.Sprintf("its external address is %q", foreign(text))}
	}
	return a, nil
}

// add maps a port after it looked that nobody else has it, because some
// routers overwrite without a word, and reads the mapping back.
func (r *igd) add(ctx context.Context, want Mapping) (Mapping, error) {
	there, found, err := r.find(ctx, want.key())
	if err != nil {
		return Mapping{}, err
	}
	if found && !r.ours(there) && !r.nameless(there, want) {
		return Mapping{}, taken(want.key(), there.holder())
	}
	err = r.addWithLease(ctx, want)
	if refusal(err) == codeConflict && found {
		// The router replaces nothing, not even what is ours.
		if err = r.delete(ctx, want.key()); err == nil {
			err = r.addWithLease(ctx, want)
		}
	}
	if code := refusal(err); code == codeConflict || code == codeConflictOtherWays {
		return Mapping{}, taken(want.key(), r.whoHas(ctx, want.key()))
	}
	if err != nil {
		return Mapping{}, err
	}
	made, found, err := r.confirm(ctx, want.key())
	switch {
	case err != nil:
		return Mapping{}, err
	case !found:
		return Mapping{}, fmt.Errorf("%w (%s)", ErrNotVerified, want.key())
	case made.Client != r.local || made.InternalPort != want.Port:
		return Mapping{}, taken(want.key(), made.holder())
	}
	return made, nil
}

func taken(k key, by string) error { return &ErrTaken{Port: k.port, Protocol: k.protocol, By: by} }

// ours reports whether a mapping leads to this node and says that it is ours,
// or is exactly one that this process made: at an earlier address of the node,
// or on a router that doesn't keep descriptions.
func (r *igd) ours(m Mapping) bool {
	if m.Client == r.local && strings.HasPrefix(m.Description, Prefix) {
		return true
	}
	h, ok := r.ledger.get(m.key())
	return ok && h.made.Client == m.Client && h.made.InternalPort == m.InternalPort && h.made.Description == m.Description
}

// nameless reports whether a mapping already is what is wanted, on a router
// that doesn't keep descriptions: it may be renewed though nothing proves that
// it was ours.
func (r *igd) nameless(m, want Mapping) bool {
	return m.Description == "" && m.Client == r.local && m.InternalPort == want.Port
}

// addWithLease adds a mapping with the lease that the router can do: some
// refuse permanent ones, others refuse all but those.
func (r *igd) addWithLease(ctx context.Context, want Mapping) error {
	lease := want.Lease
	if lease == 0 && r.refusesPermanent {
		lease = r.finite
	}
	if r.onlyPermanent {
		lease = 0
	}
	err := r.addOnce(ctx, want, lease)
	switch refusal(err) {
	case codeOnlyPermanent:
		if lease == 0 {
			return err
		}
		if err = r.addOnce(ctx, want, 0); err == nil {
			r.onlyPermanent = true
		}
	case codeInvalidArgs, codeActionFailed, codeNotAuthorized:
		if lease != 0 {
			return err
		}
		again := r.addOnce(ctx, want, r.finite)
		if again == nil {
			r.refusesPermanent = true
			return nil
		}
		// Both refusals are the router's; one of a finite lease alone says more.
		if refusal(again) != codeOnlyPermanent {
			err = again
		}
	}
	return err
}

func (r *igd) addOnce(ctx context.Context, want Mapping, lease time.Duration) error {
	return r.call(ctx, addPortMapping, func(ctx context.Context) error {
		return r.wan.AddPortMappingCtx(ctx, "", want.Port, strings.ToUpper(string(want.Protocol)), want.Port, r.local.String(), true, want.Description, uint32(lease/time.Second))
	})
}

// remove removes a mapping of ours. One that isn't there is no failure.
func (r *igd) remove(ctx context.Context, k key) error {
	there, found, err := r.find(ctx, k)
	if err != nil || !found {
		return err
	}
	if !r.ours(there) {
		return taken(k, there.holder())
	}
	return r.delete(ctx, k)
}

func (r *igd) delete(ctx context.Context, k key) error {
	err := r.call(ctx, deletePortMapping, func(ctx context.Context) error {
		return r.wan.DeletePortMappingCtx(ctx, "", k.port, strings.ToUpper(string(k.protocol)))
	})
	if refusal(err) == codeNoSuchEntry {
		return nil
	}
	return err
}

// has reports whether the router still has a mapping that leads to this node.
func (r *igd) has(ctx context.Context, k key) (bool, error) {
	there, found, err := r.find(ctx, k)
	return err == nil && found && there.Client == r.local && there.InternalPort == k.port, err
}

// find returns what is mapped at a port. Routers that don't know the question
// are asked for their whole list.
func (r *igd) find(ctx context.Context, k key) (Mapping, bool, error) {
	if r.listOnly {
		return r.findInList(ctx, k)
	}
	m := Mapping{Port: k.port, Protocol: k.protocol}
	err := r.call(ctx, getSpecificPortMapping, func(ctx context.Context) error {
		internal, client, enabled, description, lease, err := r.wan.GetSpecificPortMappingEntryCtx(ctx, "", k.port, strings.ToUpper(string(k.protocol)))
		m.InternalPort, m.Enabled, m.Description, m.Lease = internal, enabled, foreign(description), time.Duration(lease)*time.Second
		m.Client = parseClient(client)
		return err
	})
	switch {
	case err == nil:
		m.Local = m.Client == r.local
		return m, true, nil
	case refusal(err) == codeNoSuchEntry:
		return Mapping{}, false, nil
	case !refused(err):
		return Mapping{}, false, err
	}
	m, found, listErr := r.findInList(ctx, k)
	if listErr != nil {
		return Mapping{}, false, err
	}
	r.listOnly = true
	return m, found, nil
}

// confirm reads back a mapping that was just made. There are routers that
// answer of every port that it isn't mapped; their list decides.
func (r *igd) confirm(ctx context.Context, k key) (Mapping, bool, error) {
	m, found, err := r.find(ctx, k)
	if err != nil || found || r.listOnly {
		return m, found, err
	}
	m, found, err = r.findInList(ctx, k)
	r.listOnly = found
	return m, found, err
}

func (r *igd) findInList(ctx context.Context, k key) (Mapping, bool, error) {
	all, err := r.list(ctx)
	if err != nil {
		return Mapping{}, false, err
	}
	for _, m := range all {
		if m.key() == k {
			return m, true, nil
		}
	}
	return Mapping{}, false, nil
}

// list reads the router's mappings, by index until the router says that there
// are no more. A router that repeats itself or never ends is cut off.
func (r *igd) list(ctx context.Context) ([]Mapping, error) {
	type whole struct {
		key
		remote string
	}
	all, seen := []Mapping{}, make(map[whole]bool)
	for index := range uint16(maxEntries) {
		var m Mapping
		err := r.call(ctx, getGenericPortMapping, func(ctx context.Context) error {
			remote, port, protocol, internal, client, enabled, description, lease, err := r.wan.GetGenericPortMappingEntryCtx(ctx, index)
			m = Mapping{
				Port: port, Protocol: Protocol(strings.ToLower(foreign(protocol))), Description: foreign(description), Lease: time.Duration(lease) * time.Second,
				Remote: foreign(remote), Client: parseClient(client), InternalPort: internal, Enabled: enabled,
			}
			return err
		})
		switch code := refusal(err); {
		case code == codeIndexInvalid || code == codeNoSuchEntry || code == codeInvalidArgs || refused(err) && index > 0:
			return all, nil
		case err != nil:
			return nil, err
		}
		m.Local = m.Client == r.local
		if m.Remote == "0.0.0.0" {
			m.Remote = ""
		}
		if w := (whole{m.key(), m.Remote}); seen[w] {
			return all, nil
		} else {
			seen[w] = true
		}
		all = append(all, m)
	}
	return all, nil
}

// whoHas says who has a port, as far as the router tells.
func (r *igd) whoHas(ctx context.Context, k key) string {
	if m, found, err := r.findInList(ctx, k); err == nil && found {
		return m.holder()
	}
	return "the gateway doesn't say whom"
}

func parseClient(text string) netip.Addr {
	a, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}
