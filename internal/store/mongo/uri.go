package mongo

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// mechanisms are the values of authMechanism that this build can use.
const mechanisms = "SCRAM-SHA-1, SCRAM-SHA-256, MONGODB-X509, MONGODB-AWS, MONGODB-OIDC and PLAIN"

// optionNames are the options that an error may name. No other word of a URI is
// ever shown.
var optionNames = [...]string{
	"appName", "authMechanism", "authMechanismProperties", "authSource", "compressors", "connect", "connectTimeoutMS",
	"directConnection", "enableOverloadRetargeting", "heartbeatFrequencyMS", "heartbeatIntervalMS", "journal", "loadBalanced",
	"localThresholdMS", "maxAdaptiveRetries", "maxConnecting", "maxIdleTimeMS", "maxPoolSize", "maxStaleness", "maxStalenessSeconds",
	"minPoolSize", "readConcernLevel", "readPreference", "readPreferenceTags", "replicaSet", "retryReads", "retryWrites",
	"serverMonitoringMode", "serverSelectionTimeoutMS", "socketTimeoutMS", srvMaxHosts, srvServiceName, "ssl",
	"sslCertificateAuthorityFile", "sslClientCertificateKeyFile", "sslClientCertificateKeyPassword", "sslInsecure", "timeoutMS", "tls",
	"tlsCAFile", "tlsCertificateFile", "tlsCertificateKeyFile", "tlsCertificateKeyFilePassword",
	"tlsDisableCertificateRevocationCheck", "tlsDisableOCSPEndpointCheck", "tlsInsecure", "tlsPrivateKeyFile", "w",
	"zlibCompressionLevel", "zstdCompressionLevel",
}

// Options that only a URI with mongodb+srv:// may have.
const (
	srvMaxHosts    = "srvMaxHosts"
	srvServiceName = "srvServiceName"
)

// contradictions are errors of the driver that quote nothing of the URI.
var contradictions = [...]string{
	"a direct connection cannot be made if multiple hosts are specified",
	"loadBalanced cannot be set to true if multiple hosts are specified",
	"loadBalanced cannot be set to true if a replica set name is specified",
	"loadBalanced cannot be set to true if the direct connection option is specified",
	"a write concern cannot have both w=0 and j=true",
	"tls and ssl options, when both specified, must be equivalent",
	"auth source must be $external",
	"must have a / before the query ?",
	"unescaped slash in username", "unescaped slash in password", "unescaped colon in password", "unescaped @ sign in user info",
	"must have at least 1 host",
	"username required if URI contains user info",
	"username required for PLAIN", "password required for PLAIN",
	"username required for SCRAM-SHA-1", "password required for SCRAM-SHA-1",
	"username required for SCRAM-SHA-256", "password required for SCRAM-SHA-256",
	"username without password is invalid for MONGODB-AWS", "password without username is invalid for MONGODB-AWS",
	"password cannot be specified for MONGO-X509",
	"tlsDisableOCSPEndpointCheck cannot be used with tlsDisableCertificateRevocationCheck",
	"the tlsPrivateKeyFile URI option must be provided if the tlsCertificateFile option is specified",
	"the tlsCertificateFile URI option must be provided if the tlsPrivateKeyFile option is specified",
}

// Check says what is wrong with the URI of a server as far as that can be told
// without asking the network; it reads the files that tls options name. The
// error names an option, but never shows a value, a user, a password or a host.
func Check(uri string) error {
	scheme, rest, _ := strings.Cut(uri, "://")
	srv := scheme == "mongodb+srv"
	if scheme != "mongodb" && !srv {
		return refuse("it must begin with mongodb:// or mongodb+srv://")
	}
	rest, pairs := splitOptions(rest)
	if srv {
		// The driver asks the network about such a URI. Most of it can be judged
		// in the other form.
		pairs = slices.DeleteFunc(pairs, func(pair string) bool {
			name := optionName(pair)
			return name == srvMaxHosts || name == srvServiceName
		})
		uri = join(rest, pairs)
	}
	opts := options.Client().ApplyURI(uri)
	if err := opts.Validate(); err != nil {
		return explain(err, rest, pairs)
	}
	switch {
	case opts.Auth != nil && strings.EqualFold(opts.Auth.AuthMechanism, "GSSAPI"):
		return refuse("its option authMechanism asks for GSSAPI, which this build has not; allowed are " + mechanisms)
	case srv && len(opts.Hosts) != 1:
		return refuse("mongodb+srv:// takes one host")
	case srv && strings.Contains(opts.Hosts[0], ":"):
		return refuse("mongodb+srv:// takes a host without a port")
	case srv && opts.Direct != nil && *opts.Direct:
		return refuse("mongodb+srv:// does not go with directConnection")
	}
	return nil
}

// splitOptions cuts what follows the scheme where the driver does.
func splitOptions(rest string) (base string, pairs []string) {
	hosts := strings.IndexByte(rest, '@') + 1
	query := strings.IndexByte(rest[hosts:], '?')
	if query < 0 {
		return rest, nil
	}
	return rest[:hosts+query], strings.FieldsFunc(rest[hosts+query+1:], func(r rune) bool { return r == '&' || r == ';' })
}

func join(base string, pairs []string) string {
	if len(pairs) == 0 {
		return "mongodb://" + base
	}
	return "mongodb://" + base + "?" + strings.Join(pairs, "&")
}

// optionName is the name of the option in a pair, or nothing for a word that may
// not be shown.
func optionName(pair string) string {
	key, _, _ := strings.Cut(pair, "=")
	if plain, err := url.QueryUnescape(key); err == nil {
		key = plain
	}
	for _, name := range optionNames {
		if strings.EqualFold(name, key) {
			return name
		}
	}
	return ""
}

// explain finds out why the driver refuses a URI. The driver's words choose the
// answer, but are not in it unless they are constant.
func explain(err error, base string, pairs []string) error {
	if plain := verdict(join(base, nil)); plain != nil {
		if strings.Contains(plain.Error(), "port must be") {
			return refuse("a port is not a number from 1 to 65535")
		}
		return constant(plain, "its user, password or hosts can't be read; "+escaping)
	}
	for _, pair := range pairs {
		alone := verdict("mongodb://h/?" + pair)
		if alone == nil || needsOthers(alone) {
			continue
		}
		name := optionName(pair)
		var file *fs.PathError
		switch {
		case name == "":
			return refuse("one of its options is not of the form name=value, or not percent-encoded")
		case name == srvMaxHosts || name == srvServiceName:
			return refuse("its option " + name + " needs mongodb+srv://")
		case name == "authMechanism":
			return refuse("its option authMechanism is unknown; allowed are " + mechanisms)
		case errors.As(alone, &file):
			return refuse(fmt.Sprintf("the file of its option %s can't be read: %v", name, file.Err))
		}
		return refuse("the value of its option " + name + " is not allowed")
	}
	return constant(err, "its options contradict each other")
}

const escaping = "special characters of user and password must be percent-encoded"

func verdict(uri string) error { return options.Client().ApplyURI(uri).Validate() }

// needsOthers says whether an option is refused only because it stands alone.
func needsOthers(err error) bool {
	return slices.ContainsFunc([]string{"required", "must be provided", "must specify", "mode primary"},
		func(part string) bool { return strings.Contains(err.Error(), part) })
}

// constant answers the driver's words where they quote nothing, else otherwise.
func constant(err error, otherwise string) error {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "error parsing uri: "), "error validating uri: ")
	switch {
	case !slices.Contains(contradictions[:], text):
		return refuse(otherwise)
	case strings.HasPrefix(text, "unescaped"):
		return refuse(text + "; " + escaping)
	}
	return refuse(text)
}

func refuse(why string) error {
	return errors.New("the MongoDB URI is not valid: " + why +
		". Want mongodb://[user:password@]host[:port]/[?options], for example mongodb://127.0.0.1:27017/")
}
