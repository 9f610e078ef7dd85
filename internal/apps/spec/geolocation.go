package spec

import "strings"

// Location is where a node is, in the words of the location service.
type Location struct {
	Continent string // code, such as EU
	Country   string // code, such as CZ
	Region    string // name
}

func (l Location) String() string { return l.Continent + "_" + l.Country + "_" + l.Region }

// parts are what an entry may name: continent, country, region.
func (l Location) parts() [3]string {
	return [3]string{l.Continent, l.Continent + "_" + l.Country, l.String()}
}

const (
	forbiddenPrefix = "a!c"
	allowedPrefix   = "ac"
)

// Candidate reports whether the first selection step keeps an application for a
// node. It compares by prefix, [LocationFits] by equality: the network does
// both, one after the other.
func Candidate(geolocation []string, l Location) bool {
	asked, allowed := false, false
	for _, entry := range geolocation {
		switch {
		case strings.HasPrefix(entry, forbiddenPrefix):
			if strings.HasPrefix(forbiddenPrefix+l.String(), strings.Replace(entry, "_NONE", "", 1)) {
				return false
			}
		case strings.HasPrefix(entry, allowedPrefix):
			asked = true
			allowed = allowed || strings.HasPrefix(allowedPrefix+l.String(), entry)
		}
	}
	return allowed || !asked
}

// LocationFits is the check just before an installation; nil means that the
// application may run there.
func LocationFits(geolocation []string, l Location) error {
	var continents, countries, forbidden, allowed []string
	for _, entry := range geolocation {
		if place, ok := strings.CutPrefix(entry, forbiddenPrefix); ok {
			forbidden = append(forbidden, place)
		} else if place, ok := strings.CutPrefix(entry, allowedPrefix); ok {
			allowed = append(allowed, place)
		} else if place, ok := strings.CutPrefix(entry, "a"); ok {
			continents = append(continents, place)
		} else if place, ok := strings.CutPrefix(entry, "b"); ok {
			countries = append(countries, place)
		}
	}
	here := l.parts()
	switch {
	case len(forbidden)+len(allowed) == 0 && !oneOf(continents, l.Continent):
		return invalid("App specs with continents geolocation set not matching node geolocation. Aborting.")
	case !oneOf(countries, l.Country):
		return invalid("App specs with countries geolocation set not matching node geolocation. Aborting.")
	case len(forbidden) > 0 && oneOf(forbidden, here[:]...):
		return invalid("App specs of geolocation set is forbidden to run on node geolocation. Aborting.")
	case !oneOf(allowed, append(here[:], "ALL", here[0]+"_ALL", here[1]+"_ALL")...):
		return invalid("App specs of geolocation set is not matching to run on node geolocation. Aborting.")
	}
	return nil
}

// oneOf reports whether list is empty or has one of the places.
func oneOf(list []string, places ...string) bool {
	for _, place := range places {
		for _, entry := range list {
			if entry == place {
				return true
			}
		}
	}
	return len(list) == 0
}
