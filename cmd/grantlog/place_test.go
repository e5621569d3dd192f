package main

import (
	"strings"
	"testing"
)

// A command finds the log where its own command line says, else where the
// environment and the settings file of a server do.
func TestPlace(t *testing.T) {
	const inCluster, onNATS = "cluster c", "NATS"
	cluster := map[string]string{"GRANTLOG_CLUSTER_NAME": "c", "GRANTLOG_CLUSTER_ROUTES": "nats://a:1", "GRANTLOG_CLUSTER_LISTEN": "a:1"}
	flags := []string{"--cluster-name", "c", "--cluster-routes", "nats://a:1"}
	for _, tc := range []struct {
		env  map[string]string
		args []string
		want string
	}{
		{nil, nil, "data"},
		{nil, flags, inCluster},
		{cluster, nil, inCluster},
		{cluster, []string{"--data", "d"}, "data"},
		{cluster, []string{"--nats", "nats://n:1"}, onNATS},
		{cluster, append([]string{"--data", "d"}, flags...), inCluster},
		{map[string]string{"GRANTLOG_DATA": "d"}, flags, inCluster},
		{map[string]string{"GRANTLOG_NATS": "nats://n:1"}, nil, onNATS},
		{map[string]string{"GRANTLOG_NATS": "nats://n:1"}, flags, "--cluster-name and --nats are both given"},
		{nil, flags[:2], "belong together"},
		{nil, flags[2:], "belong together"},
	} {
		var grammar cli
		p, _, _ := world(tc.env)
		parser, err := newParser(&grammar, p)
		if err == nil {
			_, err = parser.Parse(append([]string{"verify"}, tc.args...))
		}
		if err != nil {
			t.Fatal(err)
		}
		place := &grammar.Verify.Log
		got := "data"
		switch err := place.check(); {
		case err != nil:
			got = err.Error()
		case place.Cluster.Name != "":
			got = "cluster " + string(place.Cluster.Name)
		case place.live():
			got = onNATS
		}
		if !strings.Contains(got, tc.want) {
			t.Errorf("%v %v: %s, want %s", tc.env, tc.args, got, tc.want)
		}
	}
	settingsAre := "cluster-name: c\ncluster-routes: nats://a:1\ncluster-listen: a:1\n"
	var grammar cli
	p, _, _ := world(nil)
	parser, err := newParser(&grammar, p)
	if err == nil {
		_, err = parser.Parse([]string{"backup", "--config", settingsFile(t, settingsAre), "file"})
	}
	if err != nil || grammar.Backup.Log.Cluster.Name != "c" {
		t.Errorf("of a member's settings file: %+v %v", grammar.Backup.Log, err)
	}
}
