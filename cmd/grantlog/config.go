package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"
)

// general are the settings of every command that reads settings.
type general struct {
	Config    string    `placeholder:"FILE" help:"YAML file of settings: the names of these flags as keys."`
	LogLevel  logLevel  `default:"info" help:"Least grave log line: debug, info, warn or error."`
	LogFormat logFormat `default:"text" help:"Form of log lines: text or json."`
}

// logSettings say where the log is and what opens it.
type logSettings struct {
	Data          string    `group:"log" default:"./data" placeholder:"DIR" help:"Directory of the embedded log, snapshots, master.key and admin.json. (default ./data)"`
	NATS          natsURLs  `group:"log" name:"nats" placeholder:"URL,..." help:"Servers of an external NATS; then none is embedded."`
	NATSCreds     string    `group:"log" name:"nats-creds" placeholder:"FILE" help:"Credentials for the external NATS."`
	NATSCA        string    `group:"log" name:"nats-ca" placeholder:"FILE" help:"CA certificates of the external NATS."`
	MasterKey     masterKey `group:"log" placeholder:"BASE64" help:"32 bytes that seal keys and secrets. Refused on the command line: environment or settings file only."`
	MasterKeyFile string    `group:"log" placeholder:"FILE" help:"File with the master key. (default master.key in --data, made on the first start of an embedded log)"`
}

// clusterSettings make the embedded NATS a member of a cluster that consists of
// grantlog servers alone. Without a name there is no cluster.
type clusterSettings struct {
	Name   clusterName `group:"log" placeholder:"NAME" help:"Cluster that this server forms with others, with their embedded NATS; all need the same master key."`
	Listen address     `group:"log" placeholder:"HOST:PORT" help:"Where the other members of the cluster reach this one."`
	Routes routeURLs   `group:"log" placeholder:"URL,..." help:"The --cluster-listen of all members, as nats://host:port."`

	Advertise address `group:"log" placeholder:"HOST:PORT" help:"Where members that were not told of this one reach it, behind NAT or a mapped port. (default: --cluster-listen)"`
}

// placeSettings say where a command finds a log: in a data directory at rest,
// or where servers run, which is an external NATS or a cluster of grantlog's own
// servers. The data directory's master key and what a server noted there of the
// log count in any case.
type placeSettings struct {
	logSettings `embed:""`
	Cluster     clusterPlace `embed:"" prefix:"cluster-"`
}

// clusterPlace is a cluster that runs. Who names another place on the command
// line does not mean the one that the environment names for its servers.
type clusterPlace struct {
	Name   clusterName `group:"log" unless:"data,nats" placeholder:"NAME" help:"Cluster of grantlog's own servers, which run. Not read from elsewhere where --data or --nats stands on the command line."`
	Routes routeURLs   `group:"log" unless:"data,nats" placeholder:"URL,..." help:"The --cluster-listen of all its members, as nats://host:port."`
}

// serveSettings are the settings of a server.
type serveSettings struct {
	General general         `embed:""`
	Log     logSettings     `embed:""`
	Cluster clusterSettings `embed:"" prefix:"cluster-"`

	NATSListen  address `group:"log" name:"nats-listen" placeholder:"HOST:PORT" help:"Let outside consumers of revocations reach the embedded NATS, to subscribe only. (default: no listener)"`
	LogReplicas int     `group:"log" placeholder:"N" help:"JetStream replicas of the log. (default 1, or 3 in a cluster)"`
	AwaitLog    bool    `group:"log" help:"Make no new log: answer 503 until there is one, as when it is restored. For replicas."`

	Listen         address   `group:"http" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"HTTP address. (default 127.0.0.1:8080)"`
	Issuer         issuerURL `group:"http" placeholder:"URL" help:"Issuer: the only source of iss and of every advertised URL. (default http:// and the HTTP address)"`
	TrustedProxies networks  `group:"http" placeholder:"CIDR,..." help:"Proxies whose X-Forwarded-For is believed. (default: none)"`
	MetricsListen  address   `group:"http" placeholder:"HOST:PORT" help:"Address of the Prometheus metrics. (default: none)"`
	OTLPEndpoint   string    `group:"http" name:"otlp-endpoint" placeholder:"URL" help:"Receiver of OpenTelemetry traces, OTLP/HTTP. (default $$OTEL_EXPORTER_OTLP_ENDPOINT, else none)"`

	Seed         string        `group:"server" placeholder:"FILE" help:"YAML file of organizations, scopes, services, users, providers and applications to have."`
	AdminFile    string        `group:"server" placeholder:"FILE" help:"Where a first start writes the administrator's credentials. (default admin.json in --data)"`
	MaxStaleness time.Duration `group:"server" default:"10s" placeholder:"TIME" help:"A replica that cannot prove to have heard from the log for so long answers 503. (default 10s)"`
	JWKSCache    time.Duration `group:"server" name:"jwks-cache" default:"5m" placeholder:"TIME" help:"How long clients may cache the JWKS; a new key is published that long before its first use. (default 5m)"`
	KeyRotation  time.Duration `group:"server" default:"2160h" placeholder:"TIME" help:"Age at which a signing key is replaced. (default 2160h, 90 days)"`

	SnapshotInterval time.Duration `group:"server" default:"10m" placeholder:"TIME" help:"Least time from one snapshot for joining replicas to the next one in the NATS object store. (default 10m)"`
	WebhookGiveUp    time.Duration `group:"server" default:"72h" placeholder:"TIME" help:"How long the receiver of a webhook may fail before nothing is pushed to it until it is resumed. (default 72h, 3 days)"`
}

// check finds contradictions between settings.
func (c *serveSettings) check() error {
	switch embedded := len(c.Log.NATS) == 0; {
	case c.Listen == "":
		return errors.New("--listen must not be empty")
	case c.Issuer == "" && c.Listen.host() == "":
		return fmt.Errorf("--listen %s names no host, so --issuer must be given", c.Listen)
	case !embedded && c.NATSListen != "":
		return errors.New("--nats-listen is for the embedded NATS; it does not go with --nats")
	case c.LogReplicas < 0 || c.LogReplicas > 5:
		return errors.New("--log-replicas must be from 1 to 5")
	case embedded && c.LogReplicas > 1 && c.Cluster.Name == "":
		return errors.New("--log-replicas above 1 needs a NATS cluster: --cluster-name or --nats")
	case embedded && c.AwaitLog && c.Cluster.Name == "":
		return errors.New("--await-log is for replicas: nobody else can make the log of a single server")
	case c.MaxStaleness < time.Second:
		return errors.New("--max-staleness must be at least 1s")
	case c.JWKSCache < time.Second || c.JWKSCache > 24*time.Hour:
		return errors.New("--jwks-cache must be from 1s to 24h")
	case c.KeyRotation <= c.JWKSCache:
		return errors.New("--key-rotation must be longer than --jwks-cache")
	case c.SnapshotInterval < time.Second:
		return errors.New("--snapshot-interval must be at least 1s")
	case c.WebhookGiveUp < time.Second:
		return errors.New("--webhook-give-up must be at least 1s")
	}
	if err := c.Cluster.check(len(c.Log.NATS) == 0); err != nil {
		return err
	}
	return c.Log.check()
}

func (c *clusterSettings) check(embedded bool) error {
	_, port, _ := net.SplitHostPort(string(c.Listen))
	switch given := c.Name != "" || c.Listen != "" || c.Advertise != "" || len(c.Routes) > 0; {
	case !given:
		return nil
	case !embedded:
		return errors.New("the --cluster- settings are for the embedded NATS; they do not go with --nats")
	case c.Name == "" || c.Listen == "" || len(c.Routes) == 0:
		return errors.New("--cluster-name, --cluster-listen and --cluster-routes belong together: give all three")
	case port == "0":
		return errors.New("--cluster-listen must name the port that the other members know")
	}
	return nil
}

// live reports whether the log is where servers run, not in the data directory.
func (c *placeSettings) live() bool { return len(c.NATS) > 0 || c.Cluster.Name != "" }

func (c *placeSettings) check() error {
	switch {
	case (c.Cluster.Name != "") != (len(c.Cluster.Routes) > 0):
		return errors.New("--cluster-name and --cluster-routes belong together: give both")
	case c.Cluster.Name != "" && len(c.NATS) > 0:
		return errors.New("--cluster-name and --nats are both given; which one is meant?")
	}
	return c.logSettings.check()
}

func (c *logSettings) check() error {
	embedded := len(c.NATS) == 0
	switch {
	case c.Data == "":
		return errors.New("--data must not be empty")
	case embedded && c.NATSCreds != "":
		return errors.New("--nats-creds needs --nats")
	case embedded && c.NATSCA != "":
		return errors.New("--nats-ca needs --nats")
	case c.MasterKey.given && c.MasterKeyFile != "":
		return errors.New("--master-key and --master-key-file are both given; which one holds?")
	}
	return nil
}

// issuer returns the issuer of a server that listens on addr, which tells the
// port where --listen leaves the choice to the system.
func (c *serveSettings) issuer(addr net.Addr) string {
	if c.Issuer != "" {
		return string(c.Issuer)
	}
	_, port, _ := net.SplitHostPort(addr.String())
	return "http://" + net.JoinHostPort(c.Listen.host(), port)
}

// adminFile returns where the administrator's credentials go.
func (c *serveSettings) adminFile() string {
	if c.AdminFile != "" {
		return c.AdminFile
	}
	return filepath.Join(c.Log.Data, "admin.json")
}

// host returns the host of an address.
func (a address) host() string {
	host, _, _ := net.SplitHostPort(string(a))
	return host
}
