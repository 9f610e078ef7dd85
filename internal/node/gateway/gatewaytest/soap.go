package gatewaytest

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	descriptionPath = "/rootDesc.xml"
	controlPath     = "/ctl/wan"
	maxRequest      = 64 << 10
)

// Error codes of the WANIPConnection service.
const (
	codeUnknownAction = 401
	codeInvalidArgs   = 402
	codeIndexInvalid  = 713
	codeNoSuchEntry   = 714
	codeConflict      = 718
	codeOnlyPermanent = 725
)

func (d *IGD) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+descriptionPath, func(w http.ResponseWriter, r *http.Request) {
		if h := d.behave().Describe; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", `text/xml; charset="utf-8"`)
		_, _ = io.WriteString(w, d.Description())
	})
	mux.HandleFunc("POST "+controlPath, func(w http.ResponseWriter, r *http.Request) {
		if h := d.behave().Control; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		d.serveCall(w, r)
	})
	return mux
}

// Description is the document by which the router describes itself.
func (d *IGD) Description() string {
	device := func(kind, inside string) string {
		return fmt.Sprintf(`<device><deviceType>urn:schemas-upnp-org:device:%s:%d</deviceType><friendlyName>Simulated router</friendlyName><manufacturer>Nobody</manufacturer><modelName>IGD %d</modelName><UDN>uuid:simulated</UDN>%s</device>`,
			kind, d.options.Version, d.options.Version, inside)
	}
	service := fmt.Sprintf(`<serviceList><service><serviceType>%s</serviceType><serviceId>urn:upnp-org:serviceId:WANConn1</serviceId><SCPDURL>/scpd.xml</SCPDURL><controlURL>%s</controlURL><eventSubURL>/evt</eventSubURL></service></serviceList>`, d.Service(), controlPath)
	within := func(kind, inside string) string { return "<deviceList>" + device(kind, inside) + "</deviceList>" }
	return xml.Header + `<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>` +
		device("InternetGatewayDevice", within("WANDevice", within("WANConnectionDevice", service))) + `</root>`
}

// arguments are those of all calls; a call has some of them.
type arguments struct {
	XMLName     xml.Name
	Index       string `xml:"NewPortMappingIndex"`
	Remote      string `xml:"NewRemoteHost"`
	Port        string `xml:"NewExternalPort"`
	Protocol    string `xml:"NewProtocol"`
	Internal    string `xml:"NewInternalPort"`
	Client      string `xml:"NewInternalClient"`
	Enabled     string `xml:"NewEnabled"`
	Description string `xml:"NewPortMappingDescription"`
	Lease       string `xml:"NewLeaseDuration"`
}

func (d *IGD) serveCall(w http.ResponseWriter, r *http.Request) {
	var envelope struct {
		XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
		Body    struct {
			Call arguments `xml:",any"`
		} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
	}
	if err := xml.NewDecoder(io.LimitReader(r.Body, maxRequest)).Decode(&envelope); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	call := envelope.Body.Call
	name := call.XMLName.Local
	if call.XMLName.Space != d.Service() || r.Header.Get("SOAPAction") != fmt.Sprintf(`"%s#%s"`, d.Service(), name) {
		writeFault(w, codeUnknownAction)
		return
	}
	d.mu.Lock()
	d.calls = append(d.calls, name)
	out, code := d.answer(name, call)
	d.mu.Unlock()
	if code != 0 {
		writeFault(w, code)
		return
	}
	_, _ = fmt.Fprintf(w, `%s<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><u:%sResponse xmlns:u="%s">%s</u:%sResponse></s:Body></s:Envelope>`,
		xml.Header, name, d.Service(), out, name)
}

func writeFault(w http.ResponseWriter, code int) {
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = fmt.Fprintf(w, `%s<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>%d</errorCode><errorDescription>simulated</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>`, xml.Header, code)
}

// answer carries a call out and returns the answer's elements or an error
// code. The caller holds mu.
func (d *IGD) answer(name string, a arguments) (string, int) {
	port, portErr := strconv.ParseUint(a.Port, 10, 16)
	at := slices.IndexFunc(d.entries, func(e Entry) bool {
		return e.Remote == a.Remote && uint64(e.Port) == port && e.Protocol == a.Protocol
	})
	switch name {
	case "GetExternalIPAddress":
		text := "0.0.0.0"
		if d.external.IsValid() {
			text = d.external.String()
		}
		return element("NewExternalIPAddress", text), 0
	case "GetGenericPortMappingEntry":
		index, err := strconv.ParseUint(a.Index, 10, 16)
		if d.behaviour.RepeatList {
			index = 0
		}
		if err != nil || index >= uint64(len(d.entries)) {
			if d.behaviour.ErrorInList != 0 {
				return "", d.behaviour.ErrorInList
			}
			return "", codeIndexInvalid
		}
		e := d.entries[index]
		return element("NewRemoteHost", e.Remote) + element("NewExternalPort", fmt.Sprint(e.Port)) + element("NewProtocol", e.Protocol) + e.elements(), 0
	case "GetSpecificPortMappingEntry":
		switch {
		case d.behaviour.NoSpecific:
			return "", codeUnknownAction
		case at < 0 || d.behaviour.BlindSpecific:
			return "", codeNoSuchEntry
		}
		return d.entries[at].elements(), 0
	case "AddPortMapping":
		if portErr != nil || a.Protocol != "TCP" && a.Protocol != "UDP" {
			return "", codeInvalidArgs
		}
		return "", d.addEntry(at, uint16(port), a)
	case "DeletePortMapping":
		if at < 0 {
			return "", codeNoSuchEntry
		}
		d.entries = slices.Delete(d.entries, at, at+1)
		return "", 0
	}
	return "", codeUnknownAction
}

func (d *IGD) addEntry(at int, port uint16, a arguments) int {
	internal, err := strconv.ParseUint(a.Internal, 10, 16)
	if _, clientErr := netip.ParseAddr(a.Client); err != nil || clientErr != nil {
		return codeInvalidArgs
	}
	lease, err := strconv.ParseUint(a.Lease, 10, 32)
	if err != nil {
		return codeInvalidArgs
	}
	b := d.behaviour
	switch {
	case lease == 0 && b.RefusePermanent != 0:
		return b.RefusePermanent
	case lease != 0 && b.OnlyPermanent:
		return codeOnlyPermanent
	case at >= 0 && b.NeverReplace, at >= 0 && d.entries[at].Client != a.Client && !b.OverwriteSilently:
		return codeConflict
	}
	// A mapping for one remote host excludes one for all.
	if slices.ContainsFunc(d.entries, func(e Entry) bool { return e.Remote != a.Remote && e.Port == port && e.Protocol == a.Protocol }) {
		return codeConflict
	}
	if b.Forgetful {
		return 0
	}
	e := Entry{Remote: a.Remote, Port: port, Protocol: a.Protocol, Internal: uint16(internal), Client: a.Client, Disabled: a.Enabled != "1", Description: a.Description, Lease: uint32(lease)}
	if b.DropDescriptions {
		e.Description = ""
	}
	if at >= 0 {
		d.entries[at] = e
	} else {
		d.entries = append(d.entries, e)
	}
	return 0
}

func (e Entry) elements() string {
	enabled := "1"
	if e.Disabled {
		enabled = "0"
	}
	return element("NewInternalPort", fmt.Sprint(e.Internal)) + element("NewInternalClient", e.Client) + element("NewEnabled", enabled) +
		element("NewPortMappingDescription", e.Description) + element("NewLeaseDuration", fmt.Sprint(e.Lease))
}

func element(name, text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return "<" + name + ">" + b.String() + "</" + name + ">"
}
