package store

import "time"

// Databases of a node, with FluxOS's names.
const (
	localDatabase  = "zelfluxlocal"
	appsDatabase   = "localzelapps"
	globalDatabase = "globalzelapps"
)

// Life times counted from a document's createdAt.
const (
	sessionLife   = 1_209_600 * time.Second // 14 days
	phraseLife    = 900 * time.Second
	signatureLife = 900 * time.Second
)

// The declarations below are never changed after the program has started.
var (
	// LoggedUsers holds the sessions: {zelid, loginPhrase, signature,
	// createdAt, expireAt}.
	LoggedUsers = &Collection{
		Database: localDatabase, Name: "loggedusers",
		Indexes: []Index{key("loginPhrase", String), key("zelid", String)},
		Expiry:  &Expiry{Field: "createdAt", After: sessionLife},
	}
	// ActiveLoginPhrases holds the phrases that may still be signed:
	// {loginPhrase, createdAt, expireAt}.
	ActiveLoginPhrases = &Collection{
		Database: localDatabase, Name: "activeloginphrases",
		Indexes:  []Index{key("loginPhrase", String)},
		Expiry:   &Expiry{Field: "createdAt", After: phraseLife},
		Volatile: true,
	}
	// ActiveSignatures holds signatures that wait to be fetched by the client
	// that asked for them: {signature, identifier, createdAt, expireAt}.
	ActiveSignatures = &Collection{
		Database: localDatabase, Name: "activesignatures",
		Indexes:  []Index{key("identifier", String)},
		Expiry:   &Expiry{Field: "createdAt", After: signatureLife},
		Volatile: true,
	}
	// Geolocation holds where this node is: {_id: "nodeGeolocation",
	// geolocation, staticIp, dataCenter, lastIpChangeDate, updatedAt}.
	Geolocation = &Collection{Database: localDatabase, Name: "geolocation"}
	// Remembered holds what fluxosd itself keeps over restarts, a document for
	// each thing.
	Remembered = &Collection{Database: localDatabase, Name: "fluxosdmemory"}
	// AppsInformation holds the valid specification of every application of
	// the network, with its hash and the height of its registration.
	AppsInformation = &Collection{
		Database: globalDatabase, Name: "zelappsinformation",
		Indexes: []Index{
			foldedKey("name"), key("owner", String), key("repotag", String),
			key("height", Int), key("hash", String),
		},
	}
	// LocalApps holds the specification of every application installed here.
	LocalApps = &Collection{
		Database: appsDatabase, Name: "zelappsinformation",
		Indexes: []Index{foldedKey("name")},
	}
)

// All returns every collection of a node.
func All() []*Collection {
	return []*Collection{LoggedUsers, ActiveLoginPhrases, ActiveSignatures, Geolocation, Remembered, AppsInformation, LocalApps}
}

func key(field string, t Type) Index {
	return Index{Fields: []Field{{Name: field, Type: t}}}
}

func foldedKey(field string) Index {
	return Index{Fields: []Field{{Name: field, Type: String, Fold: true}}}
}
