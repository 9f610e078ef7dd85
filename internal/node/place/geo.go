package place

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Geolocation is where the node's address is, in the order and the types in
// which the network shows it.
type Geolocation struct {
	IP            string  `json:"ip"`
	Continent     string  `json:"continent"`
	ContinentCode string  `json:"continentCode"` // two letters
	Country       string  `json:"country"`
	CountryCode   string  `json:"countryCode"` // ISO 3166-1 alpha-2
	Region        string  `json:"region"`
	RegionName    string  `json:"regionName"`
	Lat           float64 `json:"lat"` // degrees
	Lon           float64 `json:"lon"` // degrees
	Org           string  `json:"org"`
	Static        bool    `json:"static"`
	DataCenter    bool    `json:"dataCenter"`
}

// geoText is the most bytes of a name. The longest real ones have about 60.
const geoText = 160

// parseGeo reads a provider's answer about addr. It takes the shape of
// ip-api.com, {status, query, isp, proxy, hosting, …}, and the network's own,
// the members of Geolocation within {status, data}, and whatever is between
// the two. An answer about another address, without codes or coordinates, or
// with a name that is no name, is an error.
func parseGeo(body []byte, addr netip.Addr) (Geolocation, error) {
	var envelope struct {
		Status *string         `json:"status"`
		Data   json.RawMessage `json:"data"`
	}
	if !utf8.Valid(body) || json.Unmarshal(body, &envelope) != nil {
		return Geolocation{}, errors.New("answered with no JSON object")
	}
	if envelope.Status != nil && *envelope.Status != "success" {
		return Geolocation{}, fmt.Errorf("answered with status %q", clip(*envelope.Status))
	}
	if bytes.HasPrefix(envelope.Data, []byte("{")) {
		body = envelope.Data
	}
	var in struct {
		Geolocation
		Query      string   `json:"query"`
		ISP        string   `json:"isp"`
		Proxy      bool     `json:"proxy"`
		Hosting    bool     `json:"hosting"`
		Lat        *float64 `json:"lat"`
		Lon        *float64 `json:"lon"`
		Static     *bool    `json:"static"`
		DataCenter *bool    `json:"dataCenter"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return Geolocation{}, errors.New("answered with members of the wrong type")
	}
	g := in.Geolocation
	for _, said := range []string{g.IP, in.Query} {
		if said == "" {
			continue
		}
		if a, err := netip.ParseAddr(said); err != nil || a.Unmap() != addr {
			return Geolocation{}, fmt.Errorf("answered about %q, not %s", clip(said), addr)
		}
	}
	if in.Lat == nil || in.Lon == nil || *in.Lat < -90 || *in.Lat > 90 || *in.Lon < -180 || *in.Lon > 180 {
		return Geolocation{}, errors.New("answered without coordinates in -90…90 and -180…180")
	}
	if strings.TrimSpace(g.Org) == "" {
		g.Org = in.ISP
	}
	for name, text := range map[string]*string{
		"continent": &g.Continent, "country": &g.Country, "region": &g.Region, "regionName": &g.RegionName, "org": &g.Org,
	} {
		if *text = strings.TrimSpace(*text); !isName(*text) {
			return Geolocation{}, fmt.Errorf("answered with a %s that is no name of at most %d bytes", name, geoText)
		}
	}
	if !isCode(g.ContinentCode) || !isCode(g.CountryCode) {
		return Geolocation{}, errors.New("answered without continentCode and countryCode of two capital letters")
	}
	g.IP, g.Lat, g.Lon = addr.String(), *in.Lat, *in.Lon
	g.Static = orElse(in.Static, in.Proxy || in.Hosting)
	g.DataCenter = orElse(in.DataCenter, in.Hosting)
	return g, nil
}

// isName says whether s can be shown anywhere: short, printable, no markup.
// A provider may leave a name empty.
func isName(s string) bool {
	return len(s) <= geoText && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsPrint(r) || r == '<' || r == '>'
	})
}

func isCode(s string) bool {
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z'
}

func orElse(p *bool, otherwise bool) bool {
	if p != nil {
		return *p
	}
	return otherwise
}
