"""Removing a node from the cluster: what is refused, and what is said of volumes that no other machine has."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine, ScriptRun

# what the API knows: nodes with their readiness, the servers in etcd, volumes with their claims and machines
KUBECTL = """
key=kubernetes.io/hostname
shift; [[ $1 != --request-timeout* ]] || shift
case "$*" in
  'get nodes -o go-template='*) awk -v key=$key '{ print "node", $1, $2; print "label", $1, key, $1 }' nodes ;;
  'get node '*--ignore-not-found*) awk -v node="$3" '$1 == node { print "node/" node }' nodes ;;
  'get node '*) awk -v node="$3" '$1 == node { print $2 }' nodes ;;
  'get nodes -l node-role.kubernetes.io/etcd'*) cat members ;;
  'get persistentvolumes'*) cat volumes ;;
  'get crd replicas.longhorn.io --ignore-not-found'*) [ ! -e replicas ] || echo crd ;;
  'get replicas.longhorn.io'*) cat replicas ;;
  'delete node '*) sed -i "/^$3 /d" nodes members ;;
esac
"""


@pytest.fixture
def server(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, {"k3s": KUBECTL, "curl": ""})
    fake.file("nodes").write_text("a True\nb True\nc True\n")
    fake.file("members").write_text("a TrueTrue\nc TrueTrue\n")
    fake.file("volumes").write_text("")
    return fake


def dropped(server: FakeMachine, flags: str = "", **more: str) -> ScriptRun:
    return server.run("cluster/remove-node", NODE="b", DRAIN_SECONDS="300", SERVERS="a c d", FLAGS=flags, **more)


def changes(done: ScriptRun) -> list[str]:
    """What was done to the node."""
    return [call.split()[2] for call in done.calls if call.split()[2:3] and call.split()[2] in {"drain", "delete"}]


def test_a_node_is_drained_and_deleted(server: FakeMachine) -> None:
    done = dropped(server)
    assert (done.status, changes(done), done.output) == (0, ["drain", "delete"], "")


def test_a_machine_that_runs_is_not_taken_for_a_dead_one(server: FakeMachine) -> None:
    done = dropped(server.with_fast_sleep, UNREACHABLE="yes")
    assert (done.status, changes(done)) == (1, [])
    assert (
        "b does not answer on SSH, but its Node is still Ready after 90 s: it is running, so it was not removed."
        in done.errors
    )


def test_a_dead_machine_is_removed_without_a_drain(server: FakeMachine) -> None:
    server.file("nodes").write_text("a True\nb Unknown\nc True\n")
    done = dropped(server, UNREACHABLE="yes")
    assert (done.status, changes(done)) == (0, ["delete"])


def test_a_run_killed_as_the_node_goes_leaves_nothing_of_its_name(server: FakeMachine) -> None:
    """The next run finds no Node, and ends at once."""
    deadly = KUBECTL.replace("nodes members ;;", "nodes members; kill -9 $PPID ;;")
    killed = dropped(FakeMachine(server.root, {"k3s": deadly, "curl": ""}))
    assert killed.status == -9
    again = dropped(server)
    assert (again.status, changes(again)) == (0, [])
    names = "secret/b.node-password.k3s configmap/homelab-node-b"
    assert any(names in call for call in killed.calls + again.calls)


HOST = "match kubernetes.io/hostname In "
VOLUMES = f"""volume pvc-1 media/films
term
{HOST}b,
volume pvc-2 media/music
term
{HOST}a,
volume pvc-3 none
term
match topology.kubernetes.io/zone NotIn elsewhere,
{HOST}b,
volume pvc-4 web/www
term
{HOST}a,b,
volume pvc-5 web/two-terms
term
{HOST}b,
term
{HOST}c,
volume pvc-6 web/not-here
term
{HOST[:-3]}NotIn b,
volume pvc-7 web/anywhere
"""
REPLICAS = "".join(f"replica vol-{line} healthy\n" for line in ("1 b", "2 b", "2 c", "3 a"))
LOST = [
    "Longhorn volume vol-1, of which b has the last healthy replica",
    "volume pvc-1 of claim media/films",
    "volume pvc-3 of claim none",
]


def with_volumes(server: FakeMachine) -> FakeMachine:
    server.file("volumes").write_text(VOLUMES)
    server.file("replicas").write_text(REPLICAS)
    return server


def test_volumes_that_no_other_machine_has_are_refused_before_the_drain(server: FakeMachine) -> None:
    done = dropped(with_volumes(server))
    assert (done.status, changes(done)) == (1, [])
    assert "b has volumes that are on no other node (3); it was not removed:\n" + "\n".join(LOST) in done.errors
    assert "`homelab:cluster.discard: [b]`" in done.errors


def test_their_owner_may_allow_the_loss(server: FakeMachine) -> None:
    assert changes(dropped(with_volumes(server), "discard-node-b")) == ["drain", "delete"]
    server.file("nodes").write_text("a True\nb True\nc True\n")
    assert changes(dropped(server, "discard-node-bb discard-b")) == []


def test_what_a_dead_machine_held_alone_is_named(server: FakeMachine) -> None:
    server.file("nodes").write_text("a True\nb Unknown\nc True\n")
    done = dropped(with_volumes(server), UNREACHABLE="yes")
    assert (done.status, changes(done)) == (0, ["delete"])
    assert done.output.splitlines()[1:] == LOST, "the plugin makes a warning of it"


def test_a_server_is_known_by_its_place_in_etcd(server: FakeMachine) -> None:
    """Not by what the file says, which may have changed."""
    server.file("members").write_text("a TrueFalse\nb TrueTrue\nc TrueTrue\n")
    done = dropped(server)
    assert (done.status, changes(done)) == (1, [])
    assert (
        "Without b etcd would lose its quorum, so b was not removed: only 1 of the 2 other servers are Ready (not a)."
        in done.errors
    )


def test_a_server_is_known_from_a_list_that_comes_in_pieces(server: FakeMachine) -> None:
    """`kubectl` writes each name by itself: nobody may stop reading where the wanted one came."""
    pieces = 'while read -r line; do echo "$line"; /bin/sleep 0.1; done <members'
    server.file("members").write_text("b TrueTrue\na TrueFalse\nc TrueTrue\n")
    done = dropped(FakeMachine(server.root, {"k3s": KUBECTL.replace("cat members", pieces), "curl": ""}))
    assert (done.status, changes(done)) == (1, [])
    assert "Without b etcd would lose its quorum" in done.errors


@pytest.mark.parametrize(
    ("going", "said"), [("", LOST[1]), ("b c", "etcd would lose its quorum; no changes were made")]
)
def test_a_preview_says_both(server: FakeMachine, going: str, said: str) -> None:
    server.file("members").write_text("a TrueTrue\nb TrueTrue\nc TrueTrue\n")
    if going:
        server.file("members").write_text("a TrueFalse\nb TrueTrue\nc TrueTrue\n")
    done = with_volumes(server).run("cluster/check-node-removal", REMOVED_SERVERS=going, NODES="b", FLAGS="")
    assert (done.status, changes(done)) == (1, [])
    assert said in done.errors


def test_an_api_that_does_not_say_is_no_leave(server: FakeMachine) -> None:
    silent = FakeMachine(server.root, {"k3s": "exit 1", "curl": "", "journalctl": ""})
    done = dropped(silent)
    assert (done.status, changes(done)) == (1, [])
    assert "did not answer whether node b exists;" in done.errors


def refusing(server: FakeMachine, question: str) -> FakeMachine:
    """The same, where the API does not answer one question."""
    refusal = f'case "$*" in {question}) exit 1 ;; esac\ncase'
    return FakeMachine(server.root, {"k3s": KUBECTL.replace("case", refusal, 1), "curl": "", "journalctl": ""})


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("'get node '*jsonpath*", "did not answer whether b is Ready"),
        ("'get nodes -l'*", "did not answer which servers are in etcd"),
        ("'get nodes -o'*", "did not answer which volumes are on b"),
        ("'get persistentvolumes'*", "did not answer which volumes are on b"),
        ("'get crd'*", "did not answer which volumes are on b"),
        ("'get replicas'*", "did not answer which volumes are on b"),
    ],
)
def test_no_question_that_fails_is_an_answer(server: FakeMachine, question: str, said: str) -> None:
    server.file("replicas").touch()
    done = dropped(refusing(server, question))
    assert (done.status, changes(done)) == (1, [])
    assert said in done.errors


def test_an_api_that_does_not_say_whether_a_silent_machine_lives_is_no_leave(server: FakeMachine) -> None:
    done = dropped(refusing(server, "'get node '*jsonpath*").with_fast_sleep, UNREACHABLE="yes")
    assert (done.status, changes(done)) == (1, [])


def test_a_machine_that_is_there_keeps_its_volumes_though_its_node_is_not_ready(server: FakeMachine) -> None:
    """Its K3s was stopped: uninstalling it would delete what is on its disk."""
    server.file("nodes").write_text("a True\nb False\nc True\n")
    done = dropped(with_volumes(server))
    assert (done.status, changes(done)) == (1, [])
    assert "\n".join(LOST) in done.errors
    assert changes(dropped(server, "discard-node-b")) == ["delete"]


def test_a_machine_that_is_there_keeps_its_volumes_though_its_node_is_gone(server: FakeMachine) -> None:
    """Another server was removed before it, and took it for lost."""
    server.file("nodes").write_text("a True\nc True\n")
    done = dropped(with_volumes(server))
    assert (done.status, changes(done)) == (1, [])
    assert "\n".join(LOST) in done.errors
    assert dropped(server, UNREACHABLE="yes").status == 0


def test_another_machine_at_its_address_is_no_leave_to_remove_a_node_that_runs(server: FakeMachine) -> None:
    done = dropped(server.with_fast_sleep, FOREIGN="yes")
    assert (done.status, changes(done)) == (1, [])
    assert "b is not the machine that answers on SSH at its address, but its Node is still Ready" in done.errors


@pytest.mark.parametrize("elsewhere", ["a False", "a Unknown"])
def test_a_copy_on_a_machine_that_is_not_well_does_not_count(server: FakeMachine, elsewhere: str) -> None:
    server.file("nodes").write_text(f"{elsewhere}\nb True\nc True\n")
    server.file("volumes").write_text(f"volume pvc-4 web/www\nterm\n{HOST}a,b,\n")
    server.file("replicas").write_text("replica vol-2 a healthy\nreplica vol-2 b healthy\n")
    done = dropped(server)
    assert (done.status, changes(done)) == (1, [])
    assert "Longhorn volume vol-2, of which b has the last healthy replica\nvolume pvc-4" in done.errors


@pytest.mark.parametrize(("elsewhere", "refused"), [("failed", True), ("healthy", False)])
def test_a_replica_that_failed_is_kept_where_no_better_one_is(
    server: FakeMachine, elsewhere: str, refused: bool
) -> None:
    """Longhorn can bring a volume back from it, as after a power cut that took all machines."""
    server.file("replicas").write_text(f"replica vol-2 b failed\nreplica vol-2 c {elsewhere}\n")
    done = dropped(server)
    assert changes(done) == ([] if refused else ["drain", "delete"])
    assert ("Longhorn volume vol-2, of which no replica is healthy, and b has one" in done.errors) is refused


def test_a_volume_is_known_by_the_name_of_its_machine_where_a_label_is_gone(server: FakeMachine) -> None:
    """A driver of storage labels nodes; one that joined anew while the driver is away has none of its labels."""
    server.file("volumes").write_text("volume pvc-8 db/data\nterm\nmatch openebs.io/nodeid In b,\n")
    done = dropped(server)
    assert (done.status, changes(done)) == (1, [])
    assert "volume pvc-8 of claim db/data" in done.errors


def test_a_volume_of_two_machines_is_not_lost_with_both(server: FakeMachine) -> None:
    """Each of them is looked at alone otherwise, and both may go at once."""
    server.file("volumes").write_text(f"volume pvc-4 web/www\nterm\n{HOST}b,c,\n")
    server.file("replicas").write_text("replica vol-2 b healthy\nreplica vol-2 c healthy\n")
    assert server.run("cluster/check-node-removal", REMOVED_SERVERS="", NODES="b", FLAGS="").status == 0
    done = server.run("cluster/check-node-removal", REMOVED_SERVERS="", NODES="b c", FLAGS="")
    assert done.status == 1
    assert "b has volumes that are on no other node (2); it was not removed" in done.errors
    assert (
        server.run(
            "cluster/check-node-removal", REMOVED_SERVERS="", NODES="b c", FLAGS="discard-node-b discard-node-c"
        ).status
        == 0
    )


def test_a_machine_that_was_set_up_anew_has_lost_its_volumes_already(server: FakeMachine) -> None:
    server.file("nodes").write_text("a True\nb False\nc True\n")
    done = dropped(with_volumes(server), FOREIGN="yes")
    assert (changes(done), done.output.splitlines()[1:]) == (["delete"], LOST)


@pytest.mark.parametrize(
    ("members", "refused"),
    [
        ("a TrueTrue\nb TrueTrue\n", ""),  # the way from two to one
        ("a TrueFalse\nb TrueTrue\n", "only 0 of the 1 other servers"),
        ("a TrueTrue\nb TrueTrue\nc TrueTrue\nd TrueTrue\n", ""),  # one more than three, while one is replaced
        ("a TrueTrue\nb TrueTrue\nc TrueFalse\nd TrueTrue\n", ""),
        ("a TrueTrue\nb TrueTrue\nc TrueFalse\nd FalseTrue\n", "only 1 of the 3 other servers"),
        ("b TrueTrue\n", "b is the last server"),
    ],
)
def test_quorum_is_counted_with_an_even_number_too(server: FakeMachine, members: str, refused: str) -> None:
    server.file("members").write_text(members)
    done = dropped(server)
    assert (done.status, changes(done)) == ((1, []) if refused else (0, ["drain", "delete"]))
    assert refused in done.errors


@pytest.mark.parametrize(
    ("servers", "refused"), [("v1.36.3+k3s1", False), ("v1.36.4+k3s1", False), ("v1.35.9+k3s1", True)]
)
def test_an_agent_is_never_newer_than_a_server(server: FakeMachine, servers: str, refused: bool) -> None:
    """As `pulumi up --target` of the agent alone would have it."""
    server.file("members").write_text(f"v1.36.3+k3s1\n{servers}\n")
    done = server.run("cluster/wait-for-quorum", NODE="b", ROLE="agent", VERSION="v1.36.3+k3s1")
    assert done.status == (1 if refused else 0)
    assert (f"before the servers, which run:\n{servers}\n" in done.errors) == refused
