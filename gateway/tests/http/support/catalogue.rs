//! A library of films that are called as their ids.

use futures::future::{BoxFuture, FutureExt as _};
use orb_gateway::{Catalogue, ItemId, Problem};
use orb_proto::v1::Item;

/// An id that begins with `no` is of nothing; one that begins with `season` stands for three items.
#[derive(Debug)]
pub(crate) struct Films;

impl Films {
    pub(crate) fn film(id: &str) -> Item {
        Item {
            item_id: id.to_owned(),
            source_id: id.to_owned(),
            title: format!("Film {id}"),
            media_type: "movie".to_owned(),
            stream_url: format!("http://jellyfin:8096/Videos/{id}/stream?static=true"),
            duration_ms: 60_000,
            year: "2024".to_owned(),
            ..Item::default()
        }
    }

    fn found(id: &ItemId) -> Result<Vec<Item>, Problem> {
        match id.as_str() {
            missing if missing.starts_with("no") => Err(id.not_found()),
            season if season.starts_with("season") => Ok((1..=3)
                .map(|episode| Self::film(&format!("{season}-{episode}")))
                .collect()),
            film => Ok(vec![Self::film(film)]),
        }
    }
}

impl Catalogue for Films {
    fn items<'a>(
        &'a self,
        ids: &'a [ItemId],
        _: usize,
    ) -> BoxFuture<'a, Result<Vec<Item>, Problem>> {
        async {
            let found: Result<Vec<_>, _> = ids.iter().map(Self::found).collect();
            Ok(found?.concat())
        }
        .boxed()
    }

    fn item<'a>(&'a self, id: &'a ItemId) -> BoxFuture<'a, Result<Item, Problem>> {
        async { Ok(Self::found(id)?.remove(0)) }.boxed()
    }
}
