// What an official client finds when it walks through jellyfin-sim. Each test gets a `Bench` of jellyfin_sdk.mjs, with
// a simulator of its client's version, and uses only what the client parsed.

import assert from "node:assert/strict";
import axios from "axios";

export const SECONDS = 20;
const GENERATED = 20_000;
export const contents = [
  ...["--show", "The Long Show", "--collection", "Everything", "--library", `${GENERATED}`],
  ...["--user", "orb", "--user", "eve"],
];

const TICKS_PER_SECOND = 10_000_000;
const HALF = (SECONDS / 2) * TICKS_PER_SECOND;
/** The film that has chapters: the first one. */
const FILM = "0".repeat(31) + "1";

/** The status with which a call was refused. */
async function refused(call) {
  const error = await call.then(() => assert.fail("it was not refused"), (reason) => reason);
  assert.ok(error.response, `no answer: ${error.message}`);
  return error.response.status;
}

const names = (page) => page.Items.map((item) => item.Name);
const ids = (page) => page.Items.map((item) => item.Id);

/** Plays half of an item, as a player reports it. */
async function watchHalf(calls, itemId) {
  const report = { ItemId: itemId, MediaSourceId: itemId, CanSeek: true, PlayMethod: "DirectPlay", PlaySessionId: "judged" };
  await calls.reportPlaybackStart({ playbackStartInfo: { ...report, PositionTicks: 0 } });
  await calls.reportPlaybackProgress({ playbackProgressInfo: { ...report, PositionTicks: HALF / 2, IsPaused: true } });
  await calls.reportPlaybackStopped({ playbackStopInfo: { ...report, PositionTicks: HALF } });
}

export const TESTS = {
  async "the SDK's discovery finds nothing to complain of"(bench) {
    const { jellyfin } = bench.as("");
    const found = await jellyfin.discovery.getRecommendedServerCandidates(bench.url);
    const best = jellyfin.discovery.findBestServer(found);
    assert.equal(best?.address, `${bench.url}/`, JSON.stringify(found));
    // SDK 1.0.0 is made for version 13, and says so of a server that is older. A machine may be busy.
    const expected = bench.client.auth === "12" ? ["VersionOutdatedIssue"] : [];
    const issues = best.issues.map((issue) => issue.constructor.name);
    assert.deepEqual(issues.filter((issue) => issue !== "SlowResponseIssue"), expected);
    const info = bench.check("PublicSystemInfo", (await bench.as("").getPublicSystemInfo()).data);
    assert.ok(info.Version.startsWith(`${bench.client.auth}.`), info.Version);
  },

  async "a login by name is somebody, an API key is nobody"(bench) {
    const eve = await bench.logIn("eve");
    assert.equal(eve.user.Name, "eve");
    assert.equal(bench.check("UserDto", (await eve.getCurrentUser()).data).Id, eve.user.Id);
    bench.check("SystemInfo", (await eve.getSystemInfo()).data);
    const key = bench.as(bench.apiKey);
    assert.deepEqual((await key.getUsers()).data.map((user) => user.Name), ["orb", "eve"]);
    assert.equal(await refused(key.getCurrentUser()), 400);
    assert.equal(await refused(key.getUserViews()), 400);
    const views = await bench.page(key.getUserViews({ userId: eve.user.Id }));
    assert.deepEqual(views.Items.map((view) => view.CollectionType), ["movies", "tvshows", "boxsets"]);
  },

  async "what is wrong is refused with the right status"(bench) {
    const orb = await bench.logIn("orb");
    const eve = await bench.logIn("eve");
    assert.equal(await refused(bench.as("wrong").getSystemInfo()), 401);
    assert.equal(await refused(bench.as("").getItems()), 401);
    const bad = { Username: "orb", Pw: "wrong" };
    assert.equal(await refused(bench.as("").authenticateUserByName({ authenticateUserByName: bad })), 401);
    assert.equal(await refused(orb.getItem({ itemId: "f".repeat(32) })), 404);
    assert.equal(await refused(orb.getUserViews({ userId: eve.user.Id })), 403);
    await eve.reportSessionEnded();
    assert.equal(await refused(eve.getSystemInfo()), 401);
  },

  async "tokens count in the places of this version"(bench) {
    const legacy = bench.client.auth === "10.11" ? 200 : 401;
    const token = bench.apiKey;
    const places = [
      [200, { headers: { Authorization: `MediaBrowser Token="${token}"` } }],
      [200, { params: { ApiKey: token } }],
      [legacy, { params: { api_key: token } }],
      [legacy, { headers: { "X-Emby-Token": token } }],
      [legacy, { headers: { "X-MediaBrowser-Token": token } }],
      [legacy, { headers: { "X-Emby-Authorization": `MediaBrowser Token="${token}"` } }],
      [legacy, { headers: { Authorization: `Emby Token="${token}"` } }],
    ];
    for (const [status, place] of places) {
      const answer = await axios.get(`${bench.url}/System/Info`, { ...place, validateStatus: () => true });
      assert.equal(answer.status, status, JSON.stringify(place).replace(token, "…"));
    }
  },

  async "a library of 20,000 is paged, sorted and searched"(bench) {
    const orb = await bench.logIn("orb");
    const films = { recursive: true, includeItemTypes: ["Movie"], sortBy: ["SortName"] };
    const first = await bench.page(orb.getItems({ ...films, limit: 50 }));
    assert.equal(first.TotalRecordCount, GENERATED + 1);
    const second = await bench.page(orb.getItems({ ...films, startIndex: 50, limit: 50 }));
    assert.equal(second.StartIndex, 50);
    const sorted = [...first.Items, ...second.Items];
    assert.equal(new Set(sorted.map((item) => item.Id)).size, 100);
    const last = await bench.page(orb.getItems({ ...films, startIndex: GENERATED - 4, limit: 50 }));
    assert.equal(last.Items.length, 5);
    const downwards = await bench.page(orb.getItems({ ...films, sortOrder: ["Descending"], limit: 5 }));
    assert.deepEqual(ids(downwards), ids(last).reverse());
    const uncounted = await bench.page(orb.getItems({ ...films, limit: 7, enableTotalRecordCount: false }));
    assert.equal(uncounted.TotalRecordCount, 7);

    const search = (searchTerm, more) => bench.page(orb.getItems({ recursive: true, searchTerm, limit: 20, ...more }));
    const found = await search("ELAN zenith");
    assert.equal(names(found)[0], "Élan Zenith");
    assert.ok(names(found).every((name) => name.startsWith("Élan Zenith")), names(found));
    assert.equal(found.TotalRecordCount, 10);
    assert.deepEqual(names(await search("no such film")), []);
    assert.deepEqual(names(await search("long show", { includeItemTypes: ["Series"] })), ["The Long Show"]);
    // 12 and later cut the matches before they page.
    const total = (await search("zenith")).TotalRecordCount;
    assert.equal(total, bench.client.auth === "12" ? 60 : 400);
  },

  async "an item tells all that there is, a list what was asked for"(bench) {
    const orb = await bench.logIn("orb");
    const film = bench.check("BaseItemDto", (await orb.getItem({ itemId: FILM })).data);
    assert.equal(film.Name, "Test film");
    assert.equal(film.RunTimeTicks, SECONDS * TICKS_PER_SECOND);
    assert.deepEqual(film.Chapters.map((chapter) => [chapter.Name, chapter.StartPositionTicks]), [
      ["First half", 0],
      ["Second half", HALF],
    ]);
    assert.deepEqual(film.MediaStreams.map((stream) => stream.Type), ["Video", "Audio"]);
    const [bare] = (await bench.page(orb.getItems({ ids: [FILM] }))).Items;
    assert.equal(bare.MediaSources, undefined);
    assert.equal(bare.Overview, undefined);
    assert.equal(bare.UserData.ItemId, FILM);
    const fields = ["MediaSources", "Chapters", "ParentId"];
    const [full] = (await bench.page(orb.getItems({ ids: [FILM], fields }))).Items;
    assert.equal(full.MediaSources[0].Container, "mkv");
    assert.equal(full.Chapters.length, 2);
    const [view] = (await bench.page(orb.getUserViews())).Items;
    assert.equal(full.ParentId, view.Id);
    const [nobodys] = (await bench.page(bench.as(bench.apiKey).getItems({ ids: [FILM] }))).Items;
    assert.equal(nobodys.UserData, undefined);
  },

  async "a show has seasons, specials and a missing episode"(bench) {
    const orb = await bench.logIn("orb");
    const seasons = await bench.page(orb.getSeasons({ seriesId: bench.series }));
    assert.deepEqual(names(seasons), ["Specials", "Season 1", "Season 2"]);
    const seasonId = seasons.Items[1].Id;
    const episodes = await bench.page(orb.getEpisodes({ seriesId: bench.series, seasonId }));
    assert.deepEqual(names(episodes), ["Pilot", "The second one", "The third one"]);
    const [pilot] = episodes.Items;
    assert.deepEqual([pilot.SeriesName, pilot.SeasonName, pilot.ParentIndexNumber, pilot.IndexNumber], [
      "The Long Show", "Season 1", 1, 1,
    ]);
    const all = await bench.page(orb.getEpisodes({ seriesId: bench.series }));
    assert.equal(all.Items[0].ParentIndexNumber, 0, "the specials come first");
    assert.equal(all.TotalRecordCount, 5);
    const key = bench.as(bench.apiKey);
    const known = await bench.page(key.getEpisodes({ seriesId: bench.series, season: 1, isMissing: true }));
    assert.deepEqual(known.Items.map((item) => [item.Name, item.LocationType]), [["Never aired", "Virtual"]]);
    const from = await bench.page(orb.getEpisodes({ seriesId: bench.series, startItemId: episodes.Items[2].Id }));
    assert.deepEqual(names(from), ["The third one", "Back again"]);
    const children = await bench.page(orb.getItems({ parentId: seasonId, isMissing: false }));
    assert.deepEqual(ids(children), ids(episodes));
  },

  async "a collection has its members"(bench) {
    const orb = await bench.logIn("orb");
    const boxes = await bench.page(orb.getItems({ recursive: true, includeItemTypes: ["BoxSet"] }));
    assert.deepEqual(names(boxes), ["Everything"]);
    const members = await bench.page(orb.getItems({ parentId: boxes.Items[0].Id }));
    assert.deepEqual(ids(members).sort(), [FILM, bench.series].sort());
  },

  async "next up goes with what was played"(bench) {
    const orb = await bench.logIn("orb");
    const next = async (more) => (await bench.page(orb.getNextUp({ userId: orb.user.Id, ...more }))).Items;
    assert.deepEqual(await next(), [], "nothing was begun");
    const [pilot] = await next({ seriesId: bench.series });
    assert.equal(pilot.Name, "Pilot");
    bench.check("UserItemDataDto", (await orb.markPlayedItem({ itemId: pilot.Id })).data);
    const [second] = await next();
    assert.equal(second.Name, "The second one");
    const series = (await orb.getItem({ itemId: bench.series })).data;
    assert.deepEqual([series.UserData.UnplayedItemCount, series.UserData.Played], [4, false]);
    await orb.markPlayedItem({ itemId: bench.series });
    assert.deepEqual(await next(), []);
    await orb.markUnplayedItem({ itemId: bench.series });
    const unseen = bench.check("UserItemDataDto", (await orb.getItemUserData({ itemId: bench.series })).data);
    assert.equal(unseen.UnplayedItemCount, 5);
  },

  async "what a user has begun can be resumed, by that user"(bench) {
    const [orb, eve] = [await bench.logIn("orb"), await bench.logIn("eve")];
    const resumable = async (calls) => ids(await bench.page(calls.getResumeItems({ userId: calls.user.Id })));
    await watchHalf(orb, FILM);
    await watchHalf(eve, "9e" + "0".repeat(30));
    assert.deepEqual(await resumable(orb), [FILM]);
    assert.equal((await resumable(eve)).length, 1);
    const { UserData } = (await orb.getItem({ itemId: FILM })).data;
    assert.deepEqual([UserData.PlaybackPositionTicks, UserData.PlayedPercentage, UserData.PlayCount], [HALF, 50, 1]);
    const end = { ItemId: FILM, PositionTicks: SECONDS * TICKS_PER_SECOND };
    await orb.reportPlaybackStopped({ playbackStopInfo: end });
    assert.deepEqual(await resumable(orb), []);
    assert.equal((await orb.getItemUserData({ itemId: FILM })).data.Played, true);
    await orb.updateItemUserData({ itemId: FILM, updateUserItemDataDto: { Played: false, PlaybackPositionTicks: 1 } });
    assert.deepEqual(await resumable(orb), [FILM]);
    const events = (await bench.reports()).filter((report) => report.user === "eve").map((report) => report.event);
    assert.deepEqual(events, ["started", "progress", "stopped"]);
  },

  async "reports with an API key count for nobody"(bench) {
    const key = bench.as(bench.apiKey, "keyed");
    const itemId = "9e" + "0".repeat(29) + "7";
    await watchHalf(key, itemId);
    const orb = await bench.logIn("orb");
    const { data } = await key.getItemUserData({ itemId, userId: orb.user.Id });
    assert.deepEqual([data.PlaybackPositionTicks, data.PlayCount, data.Played], [0, 0, false]);
    assert.equal((await bench.reports()).at(-1).user, null);
  },

  async "playback info leads to a stream, in parts too"(bench) {
    const orb = await bench.logIn("orb");
    const asked = { itemId: FILM, playbackInfoDto: { UserId: orb.user.Id, DeviceProfile: { MaxStreamingBitrate: 8_000_000 } } };
    const info = bench.check("PlaybackInfoResponse", (await orb.getPostedPlaybackInfo(asked)).data);
    const [source] = info.MediaSources;
    assert.ok(source.SupportsDirectPlay && info.PlaySessionId);
    bench.check("PlaybackInfoResponse", (await orb.getPlaybackInfo({ itemId: FILM })).data);
    const stream = { itemId: FILM, _static: true, static: true, mediaSourceId: source.Id };
    const options = { responseType: "arraybuffer", headers: { Range: "bytes=4-11" } };
    const part = await orb.getVideoStream(stream, options);
    assert.equal(part.status, 206);
    assert.equal(part.headers["content-range"], `bytes 4-11/${source.Size}`);
    const whole = await orb.getDownload({ itemId: FILM }, { responseType: "arraybuffer" });
    const bytes = Buffer.from(whole.data);
    assert.equal(bytes.length, source.Size);
    assert.deepEqual(Buffer.from(part.data), bytes.subarray(4, 12));
    assert.equal(bytes.readUInt32BE(0), 0x1a45dfa3, "it is a Matroska file");
  },

  async "images are there, in the size asked for, and kept by their tag"(bench) {
    const orb = await bench.logIn("orb");
    const tag = (await orb.getItem({ itemId: FILM })).data.ImageTags.Primary;
    const asked = { itemId: FILM, imageType: "Primary", maxWidth: 200, tag };
    const image = await orb.getItemImage(asked, { responseType: "arraybuffer" });
    const bytes = Buffer.from(image.data);
    assert.equal(image.headers["content-type"], "image/png");
    assert.equal(bytes.toString("latin1", 1, 4), "PNG");
    assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], [200, 300]);
    assert.equal(image.headers.etag, `"${tag}"`);
    const again = { headers: { "If-None-Match": `"${tag}"` }, validateStatus: () => true };
    assert.equal((await orb.getItemImage(asked, again)).status, 304);
    assert.equal(await refused(orb.getItemImage({ itemId: FILM, imageType: "Logo" })), 404);
  },

  async "a token that ends in the middle is refused from then on"(bench) {
    const orb = await bench.logIn("orb");
    const fault = { path: "/items*", after: 1, times: 2, kind: "status", status: 401 };
    await axios.post(`${bench.url}/_sim/fault`, fault);
    await orb.getItem({ itemId: FILM });
    assert.equal(await refused(orb.getItem({ itemId: FILM })), 401);
    assert.equal(await refused(orb.getItems()), 401);
    await orb.getItem({ itemId: FILM });
  },
};
