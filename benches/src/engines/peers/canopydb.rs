//! canopydb: copy-on-write B+tree with a WAL. Checksums on, as ours always are.

use canopydb::{Database, DbOptions, EnvOptions, Tree};

use crate::engines::subject::{Fallible, Reader, Setup, Subject, Write, touch};

const TREE: &[u8] = b"t";

struct Canopy(Database);

pub(super) fn open(setup: Setup<'_>) -> Fallible<Box<dyn Subject>> {
    let mut env = EnvOptions::new(setup.dir);
    env.page_cache_size = setup.cache;
    env.use_checksums = true;
    let db = Database::with_options(env, DbOptions::new())?;
    let tx = db.begin_write()?;
    drop(tx.get_or_create_tree(TREE)?);
    tx.commit()?;
    Ok(Box::new(Canopy(db)))
}

impl Subject for Canopy {
    fn write(&self, writes: &[Write<'_>], durable: bool) -> Fallible<()> {
        let tx = self.0.begin_write()?;
        {
            let mut tree = tx.get_or_create_tree(TREE)?;
            for (key, value) in writes {
                match value {
                    Some(value) => tree.insert(key, value)?,
                    None => drop(tree.delete(key)?),
                }
            }
        }
        tx.commit_with(durable)?;
        Ok(())
    }

    fn read(&self, f: &mut dyn FnMut(&mut dyn Reader) -> Fallible<()>) -> Fallible<()> {
        let tx = self.0.begin_read()?;
        let tree = tx.get_tree(TREE)?.ok_or("the tree is gone")?;
        f(&mut View(tree))
    }

    fn settle(&self) -> Fallible<()> {
        self.0.sync()?;
        Ok(self.0.checkpoint()?)
    }
}

struct View<'a>(Tree<'a>);

impl Reader for View<'_> {
    fn get(&mut self, key: &[u8]) -> Fallible<Option<usize>> {
        Ok(self.0.get(key)?.map(|value| touch(&value)))
    }

    fn scan(&mut self, from: &[u8], limit: usize) -> Fallible<usize> {
        let (mut count, mut sum) = (0, 0);
        for entry in self.0.range(from..)?.take(limit) {
            let (key, value) = entry?;
            sum += key.len() + touch(&value);
            count += 1;
        }
        std::hint::black_box(sum);
        Ok(count)
    }
}
