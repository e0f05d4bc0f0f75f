<!-- Licensed under a 3-clause BSD style license - see LICENSE.rst -->
<resource schema="gaiadr3">
  <meta name="title">Gaia rows for tests</meta>
  <meta name="creationDate">2024-01-01T00:00:00Z</meta>
  <meta name="description">A few rows with the names, types and units of Gaia's gaia_source.</meta>
  <meta name="creator">Test, A.</meta>
  <meta name="subject">surveys</meta>
  <table id="gaia_source" onDisk="True" adql="True" primary="source_id" mixin="//scs#q3cindex">
    <column name="source_id" type="bigint" required="True" ucd="meta.id;meta.main" description="Source"/>
    <column name="ra" type="double precision" unit="deg" ucd="pos.eq.ra;meta.main" description="RA"/>
    <column name="dec" type="double precision" unit="deg" ucd="pos.eq.dec;meta.main" description="Dec"/>
    <column name="ref_epoch" type="double precision" unit="yr" ucd="meta.ref;time.epoch" description="Epoch"/>
    <column name="parallax" type="double precision" unit="mas" ucd="pos.parallax.trig" description="Parallax"/>
    <column name="parallax_error" type="real" unit="mas" ucd="stat.error;pos.parallax.trig" description="Error"/>
    <column name="pmra" type="double precision" unit="mas/yr" ucd="pos.pm;pos.eq.ra" description="Motion in RA"/>
    <column name="pmra_error" type="real" unit="mas/yr" ucd="stat.error;pos.pm;pos.eq.ra" description="Error"/>
    <column name="pmdec" type="double precision" unit="mas/yr" ucd="pos.pm;pos.eq.dec" description="Motion in Dec"/>
    <column name="pmdec_error" type="real" unit="mas/yr" ucd="stat.error;pos.pm;pos.eq.dec" description="Error"/>
    <column name="ruwe" type="real" ucd="stat.error" description="RUWE"/>
    <column name="phot_g_mean_mag" type="real" unit="mag" ucd="phot.mag;em.opt" description="G"/>
    <column name="bp_rp" type="real" unit="mag" ucd="phot.color;em.opt.B;em.opt.R" description="BP - RP"/>
  </table>
  <data id="import">
    <sources>data/gaia_source.vot</sources>
    <voTableGrammar/>
    <make table="gaia_source"><rowmaker idmaps="*"/></make>
  </data>
</resource>
