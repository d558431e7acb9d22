"""Whether jellyfin-sim is a Jellyfin to the official Python client, in each version that it can be."""

import unittest

import requests
from jellyfin_apiclient_python.connection_manager import CONNECTION_STATE
from jellyfin_apiclient_python.exceptions import HTTPException

import processes
from jellyfin.simulator import FILM_SECONDS, GENERATED, Simulator

TICKS_PER_SECOND = 10_000_000
HALF = FILM_SECONDS // 2 * TICKS_PER_SECOND
FILM = f"{1:032x}"


def names(page):
    return [item["Name"] for item in page["Items"]]


class Walk:
    """The tests of both versions."""

    version = None

    @classmethod
    def setUpClass(cls):
        cls.sim = Simulator(processes.folder() / cls.__name__, cls.version)
        cls.addClassCleanup(cls.sim.stop)

    def setUp(self):
        self.addCleanup(self.sim.clear_faults)
        self.api = self.sim.logged_in().jellyfin

    def refused(self, call, *arguments, **more):
        with self.assertRaises(HTTPException) as refusal:
            call(*arguments, **more)
        return refusal.exception.args[0]

    def test_it_is_found_and_a_login_gives_a_user(self):
        client = self.sim.client()
        self.assertNotEqual(client.auth.connect_to_address(self.sim.url)["State"], CONNECTION_STATE["Unavailable"])
        self.assertEqual(client.auth.login(self.sim.url, "orb", "wrong"), {})
        self.assertEqual(self.api.get_user()["Name"], "orb")
        self.assertEqual(self.api.get_system_info_new()["ProductName"], "Jellyfin Server")
        self.assertEqual([user["Name"] for user in self.api.get_users()], ["orb"])

    def test_a_wrong_key_is_unauthorized(self):
        client = self.sim.client()
        client.config.auth(self.sim.url, None, "wrong", True)
        self.assertEqual(self.refused(client.jellyfin.get_users), "Unauthorized")

    def test_libraries_are_browsed_and_paged(self):
        views = self.api.get_views()
        self.assertEqual([view["CollectionType"] for view in views["Items"]], ["movies", "tvshows", "boxsets"])
        movies = {"parent_id": views["Items"][0]["Id"], "include_item_types": "Movie", "recursive": True, "limit": 10}
        first = self.api.get_user_items(sort_by="SortName", **movies)
        self.assertEqual(first["TotalRecordCount"], GENERATED + 1)
        next_ones = self.api.get_user_items(sort_by="SortName", start_index=10, **movies)
        self.assertEqual(next_ones["StartIndex"], 10)
        self.assertEqual(len({item["Id"] for item in first["Items"] + next_ones["Items"]}), 20)

    def test_search_sees_no_case_and_no_diacritics(self):
        found = self.api.search_media_items("elan ZENITH", media="Movie", limit=5)
        self.assertEqual(names(found)[0], "Élan Zenith")
        self.assertEqual(names(self.api.search_media_items("long show", media="Series")), ["The Long Show"])
        self.assertEqual(names(self.api.search_media_items("nothing is called so")), [])

    def test_an_item_has_its_sources_and_chapters(self):
        film = self.api.get_item(FILM)
        self.assertEqual(film["RunTimeTicks"], FILM_SECONDS * TICKS_PER_SECOND)
        self.assertEqual([chapter["Name"] for chapter in film["Chapters"]], ["First half", "Second half"])
        self.assertEqual(film["MediaSources"][0]["Container"], "mkv")
        self.assertEqual(names(self.api.get_items([FILM])), ["Test film"])
        self.assertEqual(self.refused(self.api.get_item, "f" * 32), 404)

    def test_a_show_has_seasons_and_episodes(self):
        seasons = self.api.get_seasons(self.sim.series)
        self.assertEqual(names(seasons), ["Specials", "Season 1", "Season 2"])
        season = seasons["Items"][1]["Id"]
        self.assertEqual(names(self.api.get_season(self.sim.series, season)), ["Pilot", "The second one", "The third one"])
        episodes = self.api.get_episodes(self.sim.series)["Items"]
        self.assertEqual([episode["ParentIndexNumber"] for episode in episodes], [0, 1, 1, 1, 2])
        adjacent = self.api.get_episodes(self.sim.series, start_item_id=episodes[3]["Id"])
        self.assertEqual(names(adjacent), ["The third one", "Back again"])

    def test_next_up_follows_what_was_played(self):
        pilot = self.api.get_next(series_id=self.sim.series)["Items"][0]
        self.assertEqual(pilot["Name"], "Pilot")
        self.assertTrue(self.api.item_played(pilot["Id"], True)["Played"])
        self.addCleanup(self.api.item_played, pilot["Id"], False)
        self.assertEqual(names(self.api.get_next(series_id=self.sim.series)), ["The second one"])
        self.assertEqual(names(self.api.get_next()), ["The second one"])

    def test_reports_make_a_resume_list(self):
        report = {"ItemId": FILM, "MediaSourceId": FILM, "PlaySessionId": "judged", "PlayMethod": "DirectPlay"}
        self.api.session_playing({**report, "CanSeek": True})
        self.api.session_progress({**report, "PositionTicks": HALF // 2, "IsPaused": False})
        self.assertEqual(self.api.get_userdata_for_item(FILM)["PlaybackPositionTicks"], HALF // 2)
        self.api.session_stop({**report, "PositionTicks": HALF})
        self.assertEqual([item["Id"] for item in self.api.get_resume_items()["Items"]], [FILM])
        self.api.session_stop({**report, "PositionTicks": FILM_SECONDS * TICKS_PER_SECOND})
        self.assertEqual(self.api.get_resume_items()["Items"], [])
        self.assertTrue(self.api.get_userdata_for_item(FILM)["Played"])
        reports = self.sim.reports()
        self.assertEqual([each["event"] for each in reports], ["started", "progress", "stopped", "stopped"])
        self.assertEqual({each["user"] for each in reports}, {"orb"})

    def test_playback_info_leads_to_bytes(self):
        info = self.api.get_play_info(FILM, profile={"MaxStreamingBitrate": 8_000_000})
        source = info["MediaSources"][0]
        self.assertTrue(source["SupportsDirectPlay"])
        self.assertTrue(info["PlaySessionId"])
        url = self.api.video_url(FILM, media_source_id=source["Id"])
        part = requests.get(url, headers={"Range": "bytes=0-3"}, timeout=20)
        self.assertEqual((part.status_code, part.content), (206, bytes.fromhex("1a45dfa3")))
        whole = requests.get(self.api.download_url(FILM), timeout=20)
        self.assertEqual((whole.status_code, len(whole.content)), (200, source["Size"]))

    def test_images_are_pictures(self):
        image = requests.get(self.api.artwork(FILM, "Primary", 100), timeout=20)
        self.assertEqual(image.headers["Content-Type"], "image/png")
        self.assertEqual(image.content[:4], b"\x89PNG")

    def test_a_token_that_ends_is_unauthorized_from_then_on(self):
        self.sim.fault(path="/users/*/items/*", after=1, kind="status", status=401)
        self.api.get_item(FILM)
        self.assertEqual(self.refused(self.api.get_item, FILM), "Unauthorized")


class Version1011(Walk, unittest.TestCase):
    version = "10.11"


class Version12(Walk, unittest.TestCase):
    version = "12"


if __name__ == "__main__":
    unittest.main()
