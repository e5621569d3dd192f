package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
)

// member is what the data directory of a member of a cluster says of itself, in
// a file next to the store. The cluster knows its members by their names, so a
// name stays with the store that it was given to.
//
// The file also keeps a store from being opened as what it is not: a single
// server would go on with a log that its cluster has moved on from, and a
// cluster would remove, as an orphan, the log of a single server.
type member struct {
	Cluster clusterName `json:"cluster"`
	Name    string      `json:"name"`
}

func memberFile(data string) string { return filepath.Join(data, "member") }

// readMember returns the member that a data directory belongs to, or nil.
func readMember(data string) (*member, error) {
	path := memberFile(data)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	m := &member{}
	if err := json.Unmarshal(text, m); err != nil || m.Cluster == "" || m.Name == "" {
		return nil, fmt.Errorf("%s does not say which member of which cluster this is", path)
	}
	return m, nil
}

// memberName returns the name of the member that the data directory belongs
// to, and gives an empty directory one.
func memberName(c *clusterSettings, data string) (string, error) {
	m, err := readMember(data)
	switch {
	case err != nil:
		return "", err
	case m != nil && m.Cluster != c.Name:
		return "", &usageError{fmt.Errorf("data directory %s belongs to a member of cluster %q, not %q", data, m.Cluster, c.Name)}
	case m != nil:
		return m.Name, nil
	}
	if _, err := os.Stat(storeDir(data)); !errors.Is(err, fs.ErrNotExist) {
		return "", &usageError{fmt.Errorf("data directory %s holds the log of a single server: a member of a cluster starts with an empty one", data)}
	}
	name, err := c.ownName()
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(member{Cluster: c.Name, Name: name})
	if err != nil {
		return "", err
	}
	return name, writeNew(memberFile(data), append(text, '\n'))
}

// ownName is the member's address, with the machine's name where the address
// has none. So a member that lost its disk comes back as the one it was, and
// is given the log by the others.
func (c *clusterSettings) ownName() (string, error) {
	host, port, err := net.SplitHostPort(string(c.Listen))
	if err != nil {
		return "", fmt.Errorf("--cluster-listen: %w", err)
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			return "", fmt.Errorf("cluster: %w", err)
		}
	}
	return net.JoinHostPort(host, port), nil
}

// checkSingle refuses to open the store of a member as that of a single
// server.
func checkSingle(data string) error {
	m, err := readMember(data)
	if err == nil && m != nil {
		err = &usageError{fmt.Errorf("data directory %s belongs to a member of cluster %q: give --cluster-name, --cluster-listen and --cluster-routes", data, m.Cluster)}
	}
	return err
}

// checkShared refuses a member that was given no master key: each would make
// its own.
func checkShared(c *logSettings) error {
	if c.MasterKey.given || c.MasterKeyFile != "" {
		return nil
	}
	_, err := os.Lstat(c.ownKeyFile())
	if errors.Is(err, fs.ErrNotExist) {
		err = &usageError{errors.New("--cluster-name needs the master key that all members share: set GRANTLOG_MASTER_KEY or --master-key-file")}
	}
	return err
}
